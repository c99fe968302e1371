//! The driver of Intel's In-Memory Analytics Accelerator.

pub mod by_n;
pub mod statistics;
pub mod table;
