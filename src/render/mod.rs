//! Figures, tables and the report, from a results folder alone.
