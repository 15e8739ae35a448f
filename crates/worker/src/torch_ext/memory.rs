//! Memory that runs out, message apart from everything else that panics.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `work`, which may be run again or given up where memory runs out.
///
/// # Errors
/// LibTorch's message, if memory ran out; every other panic continues.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| match ran_out(panic.as_ref()) {
        Some(message) => message,
        None => resume_unwind(panic),
    })
}

/// LibTorch's message if the panic is about memory, of a CUDA device or of the CPU.
pub fn ran_out(panic: &(dyn std::any::Any + Send)) -> Option<String> {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied())?;
    let words = [
        "out of memory",
        "not enough memory",
        "can't allocate memory",
        // oneDNN does not say why; its shapes are those of a pass before.
        "could not create a primitive",
        "bad_alloc",
    ];
    let message = words.iter().any(|words| text.contains(words));
    // LibTorch's message continues with a backtrace, after a line break that tch has escaped.
    let line = text.split("\\n").next().unwrap_or_default();
    let line = line.lines().next().unwrap_or_default();
    // What Rust says around it.
    let line = line
        .split_once("Torch(\"")
        .map_or(line, |(_, message)| message);
    message.then(|| line.trim_end_matches("\")").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_memory_is_caught_with_libtorchs_first_line() {
        assert_eq!(caught(|| 3), Ok(3));
        let message = caught(|| panic!("CUDA out of memory. Tried to allocate 2 GiB\\nand more"));
        assert_eq!(
            message,
            Err::<(), _>("CUDA out of memory. Tried to allocate 2 GiB".to_owned())
        );
        let message = caught(|| panic!("packed linear layer: could not create a primitive"));
        assert!(message.is_err());
        let raw = "called `Result::unwrap()` on an `Err` value: Torch(\"not enough memory: you tried 8 bytes\\nException raised";
        let message = caught(|| panic!("{raw}"));
        assert_eq!(
            message,
            Err::<(), _>("not enough memory: you tried 8 bytes".to_owned())
        );
        let other = catch_unwind(|| caught(|| panic!("index 9 is out of bounds")));
        assert!(other.is_err());
    }
}
