//! Reproducible experiments with A-LLMRec and the recommenders it is compared with.
