//! Key to finished folder: locks, publication by rename, damage detection.
