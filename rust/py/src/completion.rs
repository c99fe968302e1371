//! How an operation ended, as its caller sees it.

use acrypto_core::operation as core;
use pyo3::prelude::*;

/// A completion, the checksum beside it, and what only routes tell.
pub type Told = (core::Completion, Option<u32>, Option<Box<core::RouteTold>>);

/// How an operation ended: which device ran it, why, and how long it took.
#[pyclass(frozen, module = "acrypto", get_all)]
pub struct Completion {
    device: String,
    driver: String,
    reason: String,
    lane: &'static str,
    queue_ns: u64,
    run_ns: u64,
    attempts: u32,
    bytes_in: u64,
    bytes_out: u64,
    /// CRC-32 of the uncompressed side, for parts of deflate streams.
    checksum: Option<u32>,
    /// Of a route: how each stage ended, and what digest stages left: (algorithm, digest).
    stages: Vec<Stage>,
    digests: Vec<(String, Vec<u8>)>,
}

/// How one stage of a route ended.
#[pyclass(frozen, module = "acrypto._core", get_all)]
#[derive(Clone)]
pub struct Stage {
    algorithm: String,
    device: String,
    driver: &'static str,
    reason: &'static str,
    attempts: u32,
    queue_ns: u64,
    run_ns: u64,
}

impl Stage {
    pub fn of(told: &core::StageTold) -> Self {
        Self {
            algorithm: told.algorithm.to_string(),
            device: told.device.to_string(),
            driver: told.driver,
            reason: told.reason,
            attempts: told.attempts,
            queue_ns: told.queue_ns,
            run_ns: told.run_ns,
        }
    }
}

#[pymethods]
impl Stage {
    fn __repr__(&self) -> String {
        format!(
            "<Stage {} on {} by {}, {}: ran {} ns>",
            self.algorithm, self.device, self.driver, self.reason, self.run_ns
        )
    }
}

fn digests(route: &core::RouteTold) -> Vec<(String, Vec<u8>)> {
    route.digests.iter().map(|(name, digest)| (name.to_string(), digest.clone())).collect()
}

impl Completion {
    pub fn of((completion, checksum, route): &Told) -> Self {
        Self {
            device: completion.device.to_string(),
            driver: completion.driver.to_string(),
            reason: completion.reason.to_string(),
            lane: completion.lane.name(),
            queue_ns: completion.queue_ns,
            run_ns: completion.run_ns,
            attempts: completion.attempts,
            bytes_in: completion.bytes_in,
            bytes_out: completion.bytes_out,
            checksum: *checksum,
            stages: route.as_ref().map(|route| route.stages.iter().map(Stage::of).collect()).unwrap_or_default(),
            digests: route.as_ref().map(|route| digests(route)).unwrap_or_default(),
        }
    }
}

#[pymethods]
impl Completion {
    fn __repr__(&self) -> String {
        format!(
            "<Completion on {} by {}, {}, {}: waited {} ns, ran {} ns>",
            self.device, self.driver, self.lane, self.reason, self.queue_ns, self.run_ns
        )
    }
}
