//! An operation that was split among workers, or whose results lie in one piece of memory.

use crate::buffer::Tray;
use crate::operation::UnitResult;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// Collects the parts of an operation that was split among workers.
pub struct Gather {
    pub state: Mutex<Gathered>,
    /// Where the results are put when all are there.
    pub tray: Option<Arc<Tray>>,
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
    pub fn new(units: usize, parts: usize, tray: Option<Arc<Tray>>) -> Arc<Self> {
        let results = (0..units).map(|_| None).collect();
        let state = Mutex::new(Gathered { results, parts_out: parts, bytes_in: 0, started: None });
        Arc::new(Self { state, tray })
    }
}
