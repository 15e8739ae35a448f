//! Dropout whose draws are made on all threads: LibTorch's own on the CPU makes them on one, which costs more than a layer norm.
//!
//! Everything follows from LibTorch's generator, so that seeding it repeats the draws, whatever the number of threads.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

/// Numbers of one random stream; many enough to pay for its start.
const CHUNK: usize = 1 << 13;
/// Values of two random bytes.
const RANGE: f64 = 65536.0;

/// Drops each number of `x` with probability `p` (to 16 bits) and scales the others up, when `train` says so.
pub fn dropout(x: &Tensor, p: f64, train: bool) -> Tensor {
    if !train || p <= 0.0 {
        return x.shallow_clone();
    }
    if x.device() != Device::Cpu {
        return x.dropout(p, true);
    }
    x * multipliers(&x.size(), p)
}

/// Random multipliers on the CPU: 0 with probability `p`, else 1 / (1 - p).
fn multipliers(shape: &[i64], p: f64) -> Tensor {
    let count = shape.iter().product::<i64>() as usize;
    let seed = Tensor::randint(i64::MAX, [1], (Kind::Int64, Device::Cpu)).int64_value(&[0]);
    let dropped = (p * RANGE).round();
    let kept = (RANGE / (RANGE - dropped)) as f32;
    let dropped = dropped as u32;
    let mut numbers = vec![0.0f32; count];
    let chunks = numbers.par_chunks_mut(CHUNK).enumerate();
    chunks.for_each(|(stream, chunk)| {
        let mut draws = ChaCha8Rng::seed_from_u64(seed as u64);
        draws.set_stream(stream as u64);
        let mut bytes = [0u8; 2 * CHUNK];
        let bytes = &mut bytes[..2 * chunk.len()];
        draws.fill_bytes(bytes);
        for (number, two) in chunk.iter_mut().zip(bytes.chunks_exact(2)) {
            let draw = u32::from(u16::from_le_bytes([two[0], two[1]]));
            *number = if draw < dropped { 0.0 } else { kept };
        }
    });
    Tensor::from_slice(&numbers).view(shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_dropped_and_the_mean_stays() {
        tch::manual_seed(4);
        let drawn = multipliers(&[300, 1000], 0.1);
        let zeros = drawn.eq(0.0).to_kind(Kind::Float).mean(Kind::Float);
        assert!((zeros.double_value(&[]) - 0.1).abs() < 0.003);
        assert!((drawn.mean(Kind::Float).double_value(&[]) - 1.0).abs() < 0.003);
        let kept = drawn.max().double_value(&[]);
        assert!((kept - 1.0 / 0.9).abs() < 1e-4, "{kept}");
        // Neighbouring streams differ.
        let flat = drawn.view([-1]);
        let chunk = CHUNK as i64;
        assert_ne!(flat.narrow(0, 0, chunk), flat.narrow(0, chunk, chunk));
    }

    #[test]
    fn libtorchs_seed_repeats_the_draws_on_any_number_of_threads() {
        let draw = |threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            tch::manual_seed(9);
            let first = pool.install(|| multipliers(&[50_000], 0.3));
            (first, multipliers(&[50_000], 0.3))
        };
        let (one, three) = (draw(1), draw(3));
        assert_eq!(one, three);
        assert_ne!(one.0, one.1);
    }

    #[test]
    fn nothing_is_dropped_outside_training() {
        let x = Tensor::ones([5], (Kind::Float, Device::Cpu));
        assert_eq!(dropout(&x, 0.9, false), x);
        assert_eq!(dropout(&x, 0.0, true), x);
    }
}
