//! What the model of an accelerator costs by itself, with no latency configured: a store, a store that the same thread
//! helps along and sees complete, and a stream of descriptors with 64 in flight that the model's own thread does.
//!
//! Prints "what nanoseconds" lines: the median of the samples. With the argument "stream" the last one alone.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::undocumented_unsafe_blocks,
    clippy::indexing_slicing
)]

use acrypto_core::idxd::model::{Capabilities, Device, QueueConfig};
use acrypto_core::idxd::port::{Mapped, Mode, Queue};
use acrypto_core::idxd::wire::{Descriptor, flag, opcode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Instant;

#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Record([u8; 64]);

const SAMPLES: usize = 21;

struct Rig {
    _device: Device,
    queue: Arc<dyn Queue>,
    records: Box<[Record]>,
    mapped: Mapped,
}

impl Rig {
    fn new(threads: usize, size: usize) -> Self {
        let device = Device::new(Capabilities {
            threads,
            ..Capabilities::default()
        })
        .unwrap();
        device.enable().unwrap();
        let config = QueueConfig {
            mode: Mode::Dedicated,
            size,
            ..QueueConfig::default()
        };
        let queue = device.enable_queue(0, config).unwrap();
        let mut records = vec![Record([0; 64]); size].into_boxed_slice();
        let mapped = unsafe { queue.map(records.as_mut_ptr().cast(), size * 64, true) }.unwrap();
        Self {
            _device: device,
            queue,
            records,
            mapped,
        }
    }

    fn status(&self, slot: usize) -> &AtomicU8 {
        unsafe { AtomicU8::from_ptr(self.records.as_ptr().add(slot).cast_mut().cast()) }
    }

    fn noop(&self, slot: usize) -> Descriptor {
        let completion_addr = self.mapped.addr() + slot as u64 * 64;
        Descriptor {
            completion_addr,
            ..Descriptor::new(opcode::NOOP, flag::CRAV | flag::RCR)
        }
    }
}

fn median(mut sample: impl FnMut() -> f64) -> f64 {
    let mut all: Vec<f64> = (0..SAMPLES).map(|_| sample()).collect();
    all.sort_by(f64::total_cmp);
    all[SAMPLES / 2]
}

/// Nanoseconds of one store; the queue is emptied outside of the time.
fn store() -> f64 {
    let rig = Rig::new(0, 64);
    let noop = rig.noop(0);
    median(|| {
        let mut spent = 0;
        for _ in 0..500 {
            let begin = Instant::now();
            (0..64).for_each(|_| rig.queue.store(&noop));
            spent += begin.elapsed().as_nanos();
            while rig.queue.help() {}
        }
        spent as f64 / (500.0 * 64.0)
    })
}

/// Of one descriptor that its submitter helps along.
fn helped(threads: usize) -> f64 {
    let rig = Rig::new(threads, 64);
    let noop = rig.noop(0);
    median(|| {
        let begin = Instant::now();
        for _ in 0..20_000 {
            let status = rig.status(0);
            status.store(0, Ordering::Relaxed);
            rig.queue.store(&noop);
            while status.load(Ordering::Acquire) == 0 {
                rig.queue.help();
            }
        }
        begin.elapsed().as_nanos() as f64 / 20_000.0
    })
}

/// Of one descriptor of a stream.
fn polled(in_flight: usize) -> f64 {
    let rig = Rig::new(1, in_flight);
    median(|| {
        (0..in_flight).for_each(|slot| rig.status(slot).store(1, Ordering::Relaxed));
        let begin = Instant::now();
        let (mut turn, mut looks) = (0, 0u32);
        while turn < 50_000 {
            let slot = turn % in_flight;
            let status = rig.status(slot);
            if status.load(Ordering::Acquire) == 0 {
                looks += 1;
                if looks.is_multiple_of(1 << 12) {
                    std::thread::yield_now()
                } else {
                    std::hint::spin_loop()
                }
                continue;
            }
            status.store(0, Ordering::Relaxed);
            rig.queue.store(&rig.noop(slot));
            turn += 1;
        }
        for slot in 0..in_flight {
            while rig.status(slot).load(Ordering::Acquire) == 0 {
                std::hint::spin_loop();
            }
        }
        begin.elapsed().as_nanos() as f64 / 50_000.0
    })
}

fn main() {
    // The stream wants two cores; the others are steadier on one.
    if std::env::args().nth(1).as_deref() != Some("stream") {
        println!("store {:.1}", store());
        println!("store+help {:.1}", helped(0));
        println!("store+help beside a thread {:.1}", helped(1));
    } else {
        println!("stream {:.1}", polled(64));
    }
}
