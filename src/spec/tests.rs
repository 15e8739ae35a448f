//! Tests of the room as a whole.

use std::path::Path;

use super::load::resolved_from_text;
use super::*;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_quickstart_loads_and_its_resolved_form_loads_back_equal() {
    let path = root().join("experiments/quickstart.toml");
    let checked = load(&path, &[]).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(checked.spec.selected().len(), 3 * 7);
    let back = resolved_from_text("spec.toml", checked.resolved_toml());
    assert_eq!(
        back.unwrap_or_else(|faults| panic!("{faults}")),
        checked.spec
    );
}
