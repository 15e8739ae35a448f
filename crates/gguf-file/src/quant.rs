//! Types of tensors, and their values in single precision.
//!
//! Formats: ggml's `block_q4_0` to `block_q6_K` (`ggml-common.h`). The order of the arithmetic is
//! that of the `gguf` Python package, so the values are equal bit by bit.

use half::{bf16, f16};

/// Values of a block of the K types.
const SUPER: usize = 256;

/// How the numbers of a tensor are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    non_camel_case_types,
    reason = "the names of the format, which users read on hubs and in file names"
)]
pub enum TensorType {
    /// Single precision.
    F32,
    /// Half precision.
    F16,
    /// The upper half of single precision.
    BF16,
    /// 4 bits and a scale for 32 values.
    Q4_0,
    /// 4 bits, a scale and a minimum for 32 values.
    Q4_1,
    /// 5 bits and a scale for 32 values.
    Q5_0,
    /// 5 bits, a scale and a minimum for 32 values.
    Q5_1,
    /// 8 bits and a scale for 32 values.
    Q8_0,
    /// 4 bits, with scale and minimum for 32 values in blocks of 256.
    Q4_K,
    /// 5 bits, with scale and minimum for 32 values in blocks of 256.
    Q5_K,
    /// 6 bits, with a scale for 16 values in blocks of 256.
    Q6_K,
}

/// Names of ggml's other types by number, for messages.
const OTHERS: [(u32, &str); 24] = [
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

impl TensorType {
    /// All types that are read, with their numbers in a file.
    pub const ALL: [(u32, TensorType); 11] = [
        (0, TensorType::F32),
        (1, TensorType::F16),
        (2, TensorType::Q4_0),
        (3, TensorType::Q4_1),
        (6, TensorType::Q5_0),
        (7, TensorType::Q5_1),
        (8, TensorType::Q8_0),
        (12, TensorType::Q4_K),
        (13, TensorType::Q5_K),
        (14, TensorType::Q6_K),
        (30, TensorType::BF16),
    ];

    /// The type of a number in a file; otherwise the name of a type that is not read.
    pub(crate) fn from_number(number: u32) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == number);
        found.map(|(_, kind)| kind).ok_or_else(|| {
            let other = OTHERS.into_iter().find(|(known, _)| *known == number);
            other.map_or_else(|| number.to_string(), |(_, name)| name.to_owned())
        })
    }

    /// The supported names, for messages.
    pub(crate) fn names() -> String {
        let names = Self::ALL.map(|(_, kind)| format!("{kind:?}"));
        names.join(", ")
    }

    /// Values in a block; rows are whole blocks.
    pub fn block_size(self) -> usize {
        match self {
            TensorType::F32 | TensorType::F16 | TensorType::BF16 => 1,
            TensorType::Q4_0
            | TensorType::Q4_1
            | TensorType::Q5_0
            | TensorType::Q5_1
            | TensorType::Q8_0 => 32,
            TensorType::Q4_K | TensorType::Q5_K | TensorType::Q6_K => SUPER,
        }
    }

    /// Bytes of a block.
    pub fn block_bytes(self) -> usize {
        match self {
            TensorType::F32 => 4,
            TensorType::F16 | TensorType::BF16 => 2,
            TensorType::Q4_0 => 18,
            TensorType::Q4_1 => 20,
            TensorType::Q5_0 => 22,
            TensorType::Q5_1 => 24,
            TensorType::Q8_0 => 34,
            TensorType::Q4_K => 144,
            TensorType::Q5_K => 176,
            TensorType::Q6_K => 210,
        }
    }

    /// The values of `bytes`, whole blocks, into `values`, which has their number.
    pub(crate) fn dequantize(self, bytes: &[u8], values: &mut [f32]) {
        match self {
            TensorType::F32 => blocks(bytes, values, |block, [value]| {
                *value = f32::from_le_bytes(*block);
            }),
            TensorType::F16 => blocks(bytes, values, |block: &[u8; 2], [value]| {
                *value = f16::from_le_bytes(*block).to_f32();
            }),
            TensorType::BF16 => blocks(bytes, values, |block: &[u8; 2], [value]| {
                *value = bf16::from_le_bytes(*block).to_f32();
            }),
            TensorType::Q4_0 => blocks(bytes, values, q4_0),
            TensorType::Q4_1 => blocks(bytes, values, q4_1),
            TensorType::Q5_0 => blocks(bytes, values, q5_0),
            TensorType::Q5_1 => blocks(bytes, values, q5_1),
            TensorType::Q8_0 => blocks(bytes, values, q8_0),
            TensorType::Q4_K => blocks(bytes, values, q4_k),
            TensorType::Q5_K => blocks(bytes, values, q5_k),
            TensorType::Q6_K => blocks(bytes, values, q6_k),
        }
    }
}

/// Calls `each` with every block of `BYTES` bytes and the place of its `SIZE` values.
fn blocks<const BYTES: usize, const SIZE: usize>(
    bytes: &[u8],
    values: &mut [f32],
    each: impl Fn(&[u8; BYTES], &mut [f32; SIZE]),
) {
    let (blocks, _) = bytes.as_chunks();
    let (places, _) = values.as_chunks_mut();
    for (block, place) in blocks.iter().zip(places) {
        each(block, place);
    }
}

/// The half-precision number at byte `at`.
fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

fn q4_0(block: &[u8; 18], values: &mut [f32; 32]) {
    let scale = half(block, 0);
    for at in 0..16 {
        let byte = block[2 + at];
        values[at] = scale * (f32::from(byte & 15) - 8.0);
        values[at + 16] = scale * (f32::from(byte >> 4) - 8.0);
    }
}

fn q4_1(block: &[u8; 20], values: &mut [f32; 32]) {
    let [scale, least] = [half(block, 0), half(block, 2)];
    for at in 0..16 {
        let byte = block[4 + at];
        values[at] = scale * f32::from(byte & 15) + least;
        values[at + 16] = scale * f32::from(byte >> 4) + least;
    }
}

/// The 32 numbers of 5 bits in a block: one bit each from `start` on, then 4 bits each.
fn five_bits(block: &[u8], start: usize) -> [f32; 32] {
    let mut numbers = [0.0; 32];
    for (at, number) in numbers.iter_mut().enumerate() {
        let bit = (block[start + at / 8] >> (at % 8)) & 1;
        let byte = block[start + 4 + at % 16];
        let low = if at < 16 { byte & 15 } else { byte >> 4 };
        *number = f32::from(low | (bit << 4));
    }
    numbers
}

fn q5_0(block: &[u8; 22], values: &mut [f32; 32]) {
    let scale = half(block, 0);
    for (value, number) in values.iter_mut().zip(five_bits(block, 2)) {
        *value = scale * (number - 16.0);
    }
}

fn q5_1(block: &[u8; 24], values: &mut [f32; 32]) {
    let [scale, least] = [half(block, 0), half(block, 2)];
    for (value, number) in values.iter_mut().zip(five_bits(block, 4)) {
        *value = scale * number + least;
    }
}

fn q8_0(block: &[u8; 34], values: &mut [f32; 32]) {
    let scale = half(block, 0);
    for (value, byte) in values.iter_mut().zip(&block[2..]) {
        *value = scale * f32::from(byte.cast_signed());
    }
}

/// Scale and minimum of the eight groups of a Q4_K or Q5_K block. Two half-precision numbers
/// multiply 6-bit ones, of which the last four have their upper bits with the first eight.
fn scales(block: &[u8]) -> [(f32, f32); 8] {
    let [scale, least] = [half(block, 0), half(block, 2)];
    let packed = &block[4..16];
    std::array::from_fn(|group| {
        let (by, minus) = if group < 4 {
            (packed[group] & 63, packed[group + 4] & 63)
        } else {
            let low = packed[group + 4];
            let upper = |byte: u8| (byte >> 6) << 4;
            (
                (low & 15) | upper(packed[group - 4]),
                (low >> 4) | upper(packed[group]),
            )
        };
        (scale * f32::from(by), least * f32::from(minus))
    })
}

/// The 4-bit number of value `at` in `group`, from bytes that hold two groups each.
fn nibble(bytes: &[u8], group: usize, at: usize) -> u8 {
    (bytes[group / 2 * 32 + at] >> (group % 2 * 4)) & 15
}

fn q4_k(block: &[u8; 144], values: &mut [f32; SUPER]) {
    let (groups, _) = values.as_chunks_mut::<32>();
    for (group, (values, (scale, least))) in groups.iter_mut().zip(scales(block)).enumerate() {
        for (at, value) in values.iter_mut().enumerate() {
            *value = scale * f32::from(nibble(&block[16..], group, at)) - least;
        }
    }
}

fn q5_k(block: &[u8; 176], values: &mut [f32; SUPER]) {
    let (groups, _) = values.as_chunks_mut::<32>();
    for (group, (values, (scale, least))) in groups.iter_mut().zip(scales(block)).enumerate() {
        for (at, value) in values.iter_mut().enumerate() {
            let bit = (block[16 + at] >> group) & 1;
            let number = nibble(&block[48..], group, at) | (bit << 4);
            *value = scale * f32::from(number) - least;
        }
    }
}

fn q6_k(block: &[u8; 210], values: &mut [f32; SUPER]) {
    let scale = half(block, 208);
    let (groups, _) = values.as_chunks_mut::<32>();
    for (group, values) in groups.iter_mut().enumerate() {
        // Each half of the block has four groups: two in the lower 4 bits, two in the upper ones.
        let (part, within) = (group / 4, group % 4);
        for (at, value) in values.iter_mut().enumerate() {
            let low = block[part * 64 + within % 2 * 32 + at] >> (within / 2 * 4) & 15;
            let high = (block[128 + part * 32 + at] >> (within * 2)) & 3;
            let by = block[192 + group * 2 + at / 16].cast_signed();
            *value = scale * f32::from(by) * (f32::from(low | (high << 4)) - 32.0);
        }
    }
}
