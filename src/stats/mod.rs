//! Numbers in, numbers out: intervals, paired tests, corrections.
