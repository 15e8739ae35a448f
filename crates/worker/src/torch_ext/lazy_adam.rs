//! Adam on a large table of which a step reads few rows.
//!
//! Without a gradient Adam still moves a row, since its moments decay. A pass over the whole table
//! in every step is bound by memory. Here the steps that a row has missed are replayed just before
//! it is read. The arithmetic is LibTorch's, and weights and moments are those of the dense kernel
//! to the last bit. Where they are not, on another processor, [`is_exact`] is false.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::c_int;
use std::rc::Rc;
use std::sync::OnceLock;

use tch::{Device, Kind, Tensor};

use super::adam::{AdamSettings, AdamTensors, fused_adam};

/// Numbers that the kernel computes together; fewer at the end of a tensor it computes one by one.
const LANES: i64 = 8;

unsafe extern "C" {
    fn allround_can_replay() -> c_int;
    fn allround_adam_step(
        lr: f64,
        beta1: f64,
        beta2: f64,
        step: f64,
        size: *mut f32,
        root: *mut f32,
    );
    fn allround_replay_rows(
        weight: *mut f32,
        first: *mut f32,
        second: *mut f32,
        gradient: *const f32,
        width: i64,
        limit: i64,
        rows: *const i64,
        from: *const u32,
        count: i64,
        to: u32,
        numbers: *const f32,
        sizes: *const f32,
        roots: *const f32,
        may_stop: c_int,
    );
}

thread_local! {
    /// Tables with rows that may have missed steps, by the address of their numbers.
    static TABLES: RefCell<BTreeMap<usize, Rc<RefCell<Rows>>>> = const { RefCell::new(BTreeMap::new()) };
}

/// A table [V, D] with its moments, and how far each row is.
#[derive(Debug)]
struct Rows {
    tensors: [Tensor; 3],
    settings: AdamSettings,
    /// Steps since all rows were level that each row has done.
    done: Vec<u32>,
    /// Step sizes of these steps, negative.
    sizes: Vec<f32>,
    /// Roots of the corrections of the second moment.
    roots: Vec<f32>,
    largest_size: f32,
}

impl Rows {
    /// Replays the steps that `rows` have missed; with `gradient` [V, D], the last step has it.
    fn advance(&mut self, rows: impl Iterator<Item = usize>, gradient: Option<&Tensor>) {
        let to = self.sizes.len() as u32;
        let (mut late, mut from) = (Vec::new(), Vec::new());
        for row in rows {
            let done = std::mem::replace(&mut self.done[row], to);
            if done < to {
                late.push(row as i64);
                from.push(done);
            }
        }
        let AdamSettings { betas, eps, .. } = self.settings;
        let numbers = [
            (1.0 - betas[0]) as f32,
            betas[1] as f32,
            (1.0 - betas[1]) as f32,
            eps as f32,
            self.largest_size,
        ];
        // The mean must decay faster than the root of the squares, or updates may grow again.
        let may_stop =
            betas[0] < 0.999 * betas[1].sqrt() && eps >= 1e-12 && self.largest_size <= 1.0;
        let [weight, first, second] = self.tensors.each_ref().map(|it| it.data_ptr().cast());
        let all = self.tensors[0].numel() as i64;
        // SAFETY: the tensors are contiguous floats of one shape (`Lazy::new`), `gradient` too
        // (`Lazy::step`). Rows are places in `done`, thus of the table, and each occurs once. Steps
        // below `to` are places in both lists.
        unsafe {
            allround_replay_rows(
                weight,
                first,
                second,
                gradient.map_or(std::ptr::null(), |it| it.data_ptr() as *const f32),
                self.tensors[0].size()[1],
                all - all % LANES,
                late.as_ptr(),
                from.as_ptr(),
                late.len() as i64,
                to,
                numbers.as_ptr(),
                self.sizes.as_ptr(),
                self.roots.as_ptr(),
                c_int::from(may_stop),
            );
        }
    }

    /// The numbers at the end of each tensor that the kernel computes one by one, `[0..7]`.
    fn tail(&self, tensor: &Tensor) -> Option<Tensor> {
        let all = tensor.numel() as i64;
        let tail = all % LANES;
        (tail > 0).then(|| tensor.view([-1]).narrow(0, all - tail, tail))
    }
}

fn rows_of(indices: &Tensor) -> Vec<usize> {
    let rows = Vec::<i64>::try_from(indices).expect("indices are one list of integers");
    rows.into_iter().map(|row| row as usize).collect()
}

/// Brings the rows of `table` that `indices` `[N]` (int64) name up to the last step; nothing for a
/// table that is moved as a whole.
pub fn catch_up(table: &Tensor, indices: &Tensor) {
    TABLES.with_borrow(|tables| {
        if tables.is_empty() || table.device() != Device::Cpu {
            return;
        }
        if let Some(rows) = tables.get(&(table.data_ptr() as usize)) {
            rows.borrow_mut()
                .advance(rows_of(indices).into_iter(), None);
        }
    });
}

/// Moves the rows of one table when they are read. Dropped, it leaves rows as they are: call
/// [`Lazy::settle`] before.
#[derive(Debug)]
pub struct Lazy {
    address: usize,
    rows: Rc<RefCell<Rows>>,
}

impl Lazy {
    /// For `weight` [V, D] with its moments; `None` where its numbers or settings are not those
    /// that the replay is written for. The rate of `settings` does not count.
    pub fn new(weight: &Tensor, moments: [&Tensor; 2], settings: AdamSettings) -> Option<Self> {
        let [first, second] = moments;
        let fits = |tensor: &&Tensor| {
            tensor.device() == Device::Cpu
                && tensor.kind() == Kind::Float
                && tensor.is_contiguous()
                && tensor.dim() == 2
                && tensor.size() == weight.size()
        };
        // The kernel has another form for a mean of mostly the new gradient.
        let known = settings.weight_decay == 0.0 && settings.betas[0] > 0.5;
        if !known || ![weight, first, second].iter().all(fits) {
            return None;
        }
        let rows = Rows {
            done: vec![0; weight.size()[0] as usize],
            tensors: [
                weight.detach(),
                first.shallow_clone(),
                second.shallow_clone(),
            ],
            settings,
            sizes: Vec::new(),
            roots: Vec::new(),
            largest_size: 0.0,
        };
        let lazy = Self {
            address: weight.data_ptr() as usize,
            rows: Rc::new(RefCell::new(rows)),
        };
        TABLES.with_borrow_mut(|tables| tables.insert(lazy.address, Rc::clone(&lazy.rows)));
        Some(lazy)
    }

    /// A step at rate `lr`: moves the rows `touched` `[N]` now, with their rows of `gradient`
    /// [V, D], and the others later. `step` is its number, 1 for the first, a float scalar.
    pub fn step(&self, lr: f64, step: &Tensor, gradient: &Tensor, touched: &Tensor) {
        let mut rows = self.rows.borrow_mut();
        let rows = &mut *rows;
        assert!(gradient.is_contiguous() && gradient.size() == rows.tensors[0].size());
        let [beta1, beta2] = rows.settings.betas;
        let (mut size, mut root) = (0.0, 0.0);
        let number = step.double_value(&[]);
        // SAFETY: both are written and not kept.
        unsafe { allround_adam_step(lr, beta1, beta2, number, &mut size, &mut root) };
        rows.sizes.push(size);
        rows.roots.push(root);
        rows.largest_size = rows.largest_size.max(-size);
        rows.advance(rows_of(touched).into_iter(), Some(gradient));
        let [weight, first, second] = rows.tensors.each_ref().map(|it| rows.tail(it));
        if let (Some(weight), Some(first), Some(second), Some(gradient)) =
            (weight, first, second, rows.tail(gradient))
        {
            let tensors = AdamTensors {
                weights: vec![weight],
                gradients: vec![gradient],
                first: vec![first],
                second: vec![second],
                steps: vec![step.shallow_clone()],
            };
            fused_adam(
                &tensors,
                AdamSettings {
                    lr,
                    ..rows.settings
                },
            );
        }
    }

    /// Brings all rows up to the last step.
    pub fn settle(&self) {
        let mut rows = self.rows.borrow_mut();
        let all = rows.done.len();
        rows.advance(0..all, None);
        rows.done.fill(0);
        rows.sizes.clear();
        rows.roots.clear();
        rows.largest_size = 0.0;
    }
}

impl Drop for Lazy {
    fn drop(&mut self) {
        TABLES.with_borrow_mut(|tables| tables.remove(&self.address));
    }
}

/// Whether a replay gives the bits of LibTorch's kernel on this processor; found out once.
pub fn is_exact() -> bool {
    static EXACT: OnceLock<bool> = OnceLock::new();
    // SAFETY: reads what the processor can.
    *EXACT.get_or_init(|| unsafe { allround_can_replay() } != 0 && tch::no_grad(replay_is_exact))
}

/// Compares both on a small table over 400 steps with few gradients.
fn replay_is_exact() -> bool {
    let shape = [5i64, 11];
    let numbers = |factor: f64| {
        let all = Tensor::arange(shape[0] * shape[1], (Kind::Float, Device::Cpu));
        (all * factor).sin().view(shape)
    };
    let settings = AdamSettings {
        lr: 1e-3,
        betas: [0.9, 0.98],
        weight_decay: 0.0,
        eps: 1e-8,
        decoupled: false,
    };
    let made = || {
        [
            numbers(0.7) * 0.1,
            Tensor::zeros(shape, (Kind::Float, Device::Cpu)),
            Tensor::zeros(shape, (Kind::Float, Device::Cpu)),
        ]
    };
    let (dense, ours) = (made(), made());
    let Some(lazy) = Lazy::new(&ours[0], [&ours[1], &ours[2]], settings) else {
        return false;
    };
    for step in 1..=400i64 {
        let number = Tensor::from(step as f32);
        let row = step * step % 7;
        let touched = if row < shape[0] && step < 200 {
            vec![row]
        } else {
            vec![2]
        };
        let touched = Tensor::from_slice(&touched);
        let gradient = numbers(0.3 * step as f64) * 1e-2;
        let mask = Tensor::zeros([shape[0], 1], (Kind::Float, Device::Cpu));
        let gradient = gradient * mask.index_fill(0, &touched, 1.0);
        lazy.step(settings.lr, &number, &gradient, &touched);
        let [weight, first, second] = dense.each_ref().map(|it| vec![it.shallow_clone()]);
        let tensors = AdamTensors {
            weights: weight,
            gradients: vec![gradient],
            first,
            second,
            steps: vec![number],
        };
        fused_adam(&tensors, settings);
    }
    lazy.settle();
    let bits = |tensor: &Tensor| tensor.view_dtype(Kind::Int);
    let mut pairs = dense.iter().zip(&ours);
    pairs.all(|(dense, ours)| bits(dense).equal(&bits(ours)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replayed_steps_have_the_bits_of_the_dense_kernel() {
        // LibTorch has its vectors there that the replay is written for.
        if std::arch::is_x86_feature_detected!("avx2") {
            assert!(is_exact());
        }
    }

    #[test]
    fn a_table_with_weight_decay_is_moved_as_a_whole() {
        let table = Tensor::zeros([4, 3], (Kind::Float, Device::Cpu));
        let settings = AdamSettings {
            lr: 1e-3,
            betas: [0.9, 0.98],
            weight_decay: 0.1,
            eps: 1e-8,
            decoupled: true,
        };
        assert!(Lazy::new(&table, [&table, &table], settings).is_none());
    }
}
