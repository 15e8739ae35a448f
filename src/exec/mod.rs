//! Runs stages in worker processes.
