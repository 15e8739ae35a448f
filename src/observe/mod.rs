//! Listeners: terminal and log.
