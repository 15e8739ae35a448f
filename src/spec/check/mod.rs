//! Meaning: what the structure allows and the experiment does not.

use std::path::Path;

use super::Spec;
use super::fault::Fault;
use super::written::Node;

/// Collects every fault of meaning. `tree` is the resolved spec with places, `layers` what was written.
pub(super) fn meaning(
    spec: &Spec,
    _tree: &Node,
    _layers: &[Node],
    _base: &Path,
    faults: &mut Vec<Fault>,
) {
    let _ = (spec, faults);
}
