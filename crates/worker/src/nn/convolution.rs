//! Dilated causal convolutions as a few large matrix products over groups of rows of nearly equal
//! length.
//!
//! Tokens of a group are in time-major order, so "d steps earlier" is a shift by d times the
//! group's rows. Padding comes after a row's last token, where a causal net never looks.

use tch::{Kind, Tensor};

use super::parameters::{self, Parameters};
use crate::torch_ext::product;

/// Slots that one more group is worth: the price of its operations, in tokens.
const GROUP_PRICE: u64 = 512;

/// A group of rows: L steps of R rows, longest row first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// First place of the group in the order of rows by falling length.
    pub first: usize,
    /// Rows R.
    pub rows: usize,
    /// Steps L: the length of the longest row.
    pub steps: usize,
}

/// Cuts rows of the `lengths` (falling, at least 1) into groups so that padding and the price of
/// groups are least.
pub fn groups(lengths: &[u32]) -> Vec<Group> {
    let count = lengths.len();
    let mut best = vec![(0u64, 0usize); count + 1];
    // best[end]: least cost of the rows before `end`, and where the last group starts.
    for end in 1..=count {
        best[end] = (0..end)
            .filter(|&start| start == 0 || lengths[start] < lengths[start - 1])
            .map(|start| {
                let slots = u64::from(lengths[start]) * (end - start) as u64;
                (best[start].0 + slots + GROUP_PRICE, start)
            })
            .min()
            .expect("a group may start at the first row");
    }
    let mut found = Vec::new();
    let mut end = count;
    while end > 0 {
        let first = best[end].1;
        found.push(Group {
            first,
            rows: end - first,
            steps: lengths[first] as usize,
        });
        end = first;
    }
    found.reverse();
    found
}

/// A causal convolution over steps, from width D to width D.
#[derive(Debug)]
pub struct CausalConvolution {
    weight: Tensor,
    bias: Tensor,
    dilation: i64,
}

impl CausalConvolution {
    /// Registers `NAME.weight` [D, D, 1, kernel] and `NAME.bias` with PyTorch's start for `Conv2d`.
    pub fn new(
        parameters: &mut Parameters,
        name: &str,
        width: i64,
        kernel: i64,
        dilation: i64,
    ) -> Self {
        let bound = 1.0 / ((width * kernel) as f64).sqrt();
        let weight = parameters::uniform(&[width, width, 1, kernel], bound);
        let bias = parameters::uniform(&[width], bound);
        Self {
            weight: parameters.add(format!("{name}.weight"), weight),
            bias: parameters.add(format!("{name}.bias"), bias),
            dilation,
        }
    }

    /// The tap matrices [kernel, D, D] (inputs first), oldest tap first, contiguous: made once a
    /// batch.
    pub fn taps(&self) -> Tensor {
        self.weight.squeeze_dim(2).permute([2, 1, 0]).contiguous()
    }

    /// Outputs [L x R, D] for time-major `inputs` [L x R, D] of R `rows`; steps before the first
    /// count as zero.
    pub fn forward(&self, inputs: &Tensor, taps: &Tensor, rows: i64) -> Tensor {
        let (slots, width) = inputs.size2().expect("inputs are [L x R, D]");
        let kernel = taps.size()[0];
        let reach = (kernel - 1) * self.dilation * rows;
        let before = Tensor::zeros([reach, width], (Kind::Float, inputs.device()));
        let padded = Tensor::cat(&[&before, inputs], 0);
        let mut outputs = product::addmm(&self.bias, inputs, &taps.get(kernel - 1));
        for tap in 0..kernel - 1 {
            let shifted = padded.narrow(0, tap * self.dilation * rows, slots);
            let _ = outputs.addmm_(&shifted, &taps.get(tap));
            let passes = if outputs.requires_grad() { 3 } else { 1 };
            product::count(slots * width * width, passes);
        }
        outputs
    }
}

/// Layer normalisation over the last dimension.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f64,
}

impl LayerNorm {
    /// Registers `NAME.weight` (ones) and `NAME.bias` (zeros).
    pub fn new(parameters: &mut Parameters, name: &str, width: i64, epsilon: f64) -> Self {
        Self {
            weight: parameters.add(format!("{name}.weight"), parameters::ones(&[width])),
            bias: parameters.add(format!("{name}.bias"), parameters::zeros(&[width])),
            epsilon,
        }
    }

    /// Normalised `inputs` [..., D].
    pub fn forward(&self, inputs: &Tensor) -> Tensor {
        let shape = self.weight.size();
        inputs.layer_norm(
            shape,
            Some(&self.weight),
            Some(&self.bias),
            self.epsilon,
            true,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    #[test]
    fn groups_cover_every_row_and_weigh_padding_against_their_number() {
        let group = |first, rows, steps| Group { first, rows, steps };
        assert_eq!(groups(&[]), []);
        assert_eq!(groups(&[5, 4, 3]), [group(0, 3, 5)]);
        let mut lengths = vec![50; 100];
        lengths.extend([3; 100]);
        assert_eq!(groups(&lengths), [group(0, 100, 50), group(100, 100, 3)]);
    }

    #[test]
    fn the_shifted_products_are_a_dilated_convolution() {
        tch::manual_seed(2);
        let mut parameters = Parameters::new(Device::Cpu);
        let (width, kernel, dilation, steps, rows) = (3, 3, 2, 7, 2);
        let layer = CausalConvolution::new(&mut parameters, "conv", width, kernel, dilation);
        let inputs = Tensor::randn([steps, rows, width], (Kind::Float, Device::Cpu));
        let ours = layer.forward(&inputs.view([-1, width]), &layer.taps(), rows);
        let padded = inputs
            .permute([1, 2, 0])
            .constant_pad_nd([(kernel - 1) * dilation, 0]);
        let weight = layer.weight.squeeze_dim(2);
        let theirs = padded.conv1d(&weight, Some(&layer.bias), 1, 0, dilation, 1);
        let theirs = theirs.permute([2, 0, 1]).reshape([-1, width]);
        assert!(ours.allclose(&theirs, 1e-5, 1e-5, false));
    }
}
