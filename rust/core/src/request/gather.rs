//! An operation that was split among workers.

use crate::operation::UnitResult;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Collects the parts of an operation that was split among workers.
pub struct Gather {
    pub state: Mutex<Gathered>,
}

/// What has come in so far.
pub struct Gathered {
    /// By unit.
    pub results: Vec<Option<UnitResult>>,
    pub parts_out: usize,
    pub bytes_in: u64,
    /// When the first part was begun.
    pub started: Option<Instant>,
}

impl Gather {
    pub fn new(units: usize, parts: usize) -> Arc<Self> {
        let results = (0..units).map(|_| None).collect();
        Arc::new(Self { state: Mutex::new(Gathered { results, parts_out: parts, bytes_in: 0, started: None }) })
    }
}
