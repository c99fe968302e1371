//! An opened layer on one engine, and operations whose source is freed the moment the engine has let go: under
//! AddressSanitizer a late touch is a failure.

// Each test file is a crate of its own and uses its part of this.
#![allow(dead_code)]

use acrypto_core::alg::{Direction, Params};
use acrypto_core::buffer::{Output, Source};
use acrypto_core::device::{Device, Options};
use acrypto_core::engine::Engine;
use acrypto_core::engines::faulty::{Fault, Faulty, Kind};
use acrypto_core::engines::software::Software;
use acrypto_core::layer::{Ask, Bound, Layer, Settings, Wishes};
use acrypto_core::operation::{Operation, Settled};
use acrypto_core::queue::Budget;
use acrypto_core::request::Unit;
use acrypto_core::status::{Outcome, Status};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Far longer than anything here takes: running out of it is a hang.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Rig {
    pub layer: Arc<Layer>,
    pub device: Arc<Device>,
    digest: Arc<Bound>,
}

/// An operation and the memory that it borrows.
pub struct Flight {
    pub operation: Arc<Operation>,
    source: Vec<u8>,
}

pub fn options() -> Options {
    Options {
        workers: 2,
        budget: Budget { operations: 64, bytes: 1 << 20 },
        spin: Duration::from_micros(20),
        burst: 16,
        lost_after: Duration::from_secs(30),
        aging: None,
    }
}

pub fn fault(kind: Kind, every: u64, after: u64, times: u64) -> Fault {
    Fault { kind, every, after, times, done: AtomicU64::new(0) }
}

pub fn faulty(schedule: Vec<Fault>) -> Arc<dyn Engine> {
    Arc::new(Faulty::new(Arc::new(Software), schedule))
}

impl Rig {
    pub fn open(engine: Arc<dyn Engine>, options: Options) -> Self {
        let layer = Layer::new(Settings { inline_ns: 0, pool_bytes: 1 << 20, ..Settings::default() });
        let device = match Device::open("device0", engine, options) {
            Ok(device) => device,
            Err(error) => unreachable!("no thread to be had: {error}"),
        };
        layer.add(&device);
        let digest = match layer.bind("sha256", Params::default()) {
            Ok(bound) => Arc::new(bound),
            Err(status) => unreachable!("every engine here has sha256: {status}"),
        };
        Self { layer, device, digest }
    }

    /// Submits the digest of `len` bytes, several times over if `units` says so.
    pub fn start_many(&self, len: usize, units: usize, wishes: Wishes) -> Outcome<Flight> {
        let source = vec![7u8; len];
        let chosen = self.layer.choose(&self.digest, &Ask::of(Direction::Digest, len))?;
        let unit = || Unit {
            // SAFETY: `Flight` keeps the memory until the operation is released (see its drop).
            source: unsafe { Source::borrowed(&[(source.as_ptr(), source.len())]) },
            extra: None,
            output: Output::pooled(&self.layer.pool),
        };
        let all: Vec<Unit> = (0..units).map(|_| unit()).collect();
        let (operation, hold) = Operation::new(None, 0);
        // Made before anything can fail: the source stays until the operation is released.
        let flight = Flight { operation, source };
        self.layer.submit(&self.digest, &chosen, all, Direction::Digest, 0, wishes, hold)?;
        Ok(flight)
    }

    pub fn start(&self, len: usize) -> Outcome<Flight> {
        self.start_many(len, 1, Wishes::default())
    }
}

impl Drop for Rig {
    /// Here and now: a worker that is just letting go of the layer would close it a little later.
    fn drop(&mut self) {
        self.layer.close();
    }
}

impl Flight {
    /// Waits for the outcome; `None` if it was cancelled.
    pub fn end(&self) -> Option<Settled> {
        assert!(self.operation.wait(Some(PATIENCE)), "an operation never ended");
        self.operation.take()
    }

    /// Waits for the outcome of the one unit.
    pub fn outcome(&self) -> Result<Vec<u8>, Status> {
        let Some(settled) = self.end() else { return Err(Status::Cancelled) };
        match settled.units.into_iter().next() {
            Some(Ok((output, _))) => Ok(output.as_slice().to_vec()),
            Some(Err(status)) => Err(status),
            None => Err(Status::Internal("no unit".into())),
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let started = std::time::Instant::now();
        while !self.operation.is_released() {
            if started.elapsed() > PATIENCE {
                // Freeing it now would be the bug that is looked for.
                std::mem::forget(std::mem::take(&mut self.source));
                assert!(std::thread::panicking(), "an operation was never released");
                return;
            }
            std::thread::yield_now();
        }
    }
}
