//! Truncated and altered files give errors, without a panic and without large allocations.

#![allow(clippy::disallowed_methods)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::Parts;
use gguf_file::{GgufFile, Model};

/// The system's allocator, which notes the largest request.
struct Noting;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Noting = Noting;

fn fixture() -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::read(folder.join("llama.gguf")).unwrap()
}

/// Reads everything that can be read; whether all of it could be.
fn read(bytes: &[u8]) -> bool {
    let Ok(file) = GgufFile::read(Path::new("m.gguf"), bytes) else {
        return false;
    };
    let tokenizer = file.tokenizer();
    let Ok(model) = Model::new(&file) else {
        return false;
    };
    let tensors = model.names().filter_map(|name| model.tensor(name).ok());
    assert_eq!(tensors.count(), model.names().count());
    tokenizer.is_ok_and(|it| it.tokenizer.encode("a 12 soaps<|im_end|>", true).is_ok())
}

/// Where the bytes of tensors begin.
fn header(bytes: &[u8]) -> usize {
    let file = GgufFile::read(Path::new("m.gguf"), bytes).unwrap();
    let starts = file.tensors().map(|(_, info)| info.bytes.start);
    starts.min().unwrap()
}

#[test]
fn a_file_cut_at_any_byte_is_refused() {
    let whole = fixture();
    assert!(read(&whole));
    let last = {
        let file = GgufFile::read(Path::new("m.gguf"), &whole).unwrap();
        let ends = file.tensors().map(|(_, info)| info.bytes.end);
        ends.max().unwrap()
    };
    for length in 0..last {
        assert!(!read(&whole[..length]), "{length}");
    }
}

/// Reads `whole` with every byte of the header altered in each of these ways; returns how many of
/// the altered files were refused. No request for memory exceeds the usual ones by more than the
/// file's size.
fn alter(whole: &[u8], changes: &[u8]) -> usize {
    LARGEST.store(0, Ordering::Relaxed);
    assert!(read(whole));
    let usual = LARGEST.swap(0, Ordering::Relaxed);
    let mut refused = 0;
    let mut bytes = whole.to_vec();
    for at in 0..header(whole) {
        for change in changes {
            bytes[at] ^= change;
            refused += usize::from(!read(&bytes));
            bytes[at] ^= change;
        }
    }
    let largest = LARGEST.load(Ordering::Relaxed);
    assert!(
        largest <= usual + whole.len(),
        "{largest} bytes, usually {usual}"
    );
    refused
}

#[test]
fn a_header_with_any_byte_altered_is_read_or_refused_without_a_panic_in_bounded_memory() {
    let whole = fixture();
    assert!(alter(&whole, &[0xff]) > header(&whole) / 4);
    let whole = Parts::llama().bytes();
    let bits = [1, 2, 4, 8, 16, 32, 64, 128];
    assert!(alter(&whole, &bits) > header(&whole) * bits.len() / 4);
}
