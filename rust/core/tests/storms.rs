//! Many threads submit, cancel and close at once; each operation ends once, and its memory is let go.

mod rig;

use acrypto_core::engines::faulty::Kind;
use acrypto_core::engines::software::Software;
use acrypto_core::layer::Wishes;
use acrypto_core::status::Status;
use rig::{Flight, Rig, fault, faulty, options};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

const THREADS: usize = 4;

/// A small generator of its own: the order of events is the scheduler's, the mix is ours.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn storm(rig: &Rig, rounds: usize) -> usize {
    let ended = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for seed in 0..THREADS {
            let ended = &ended;
            scope.spawn(move || {
                let mut dice = Dice(seed as u64 + 1);
                for _ in 0..rounds {
                    let units = 1 + dice.roll(4) as usize;
                    let wishes = Wishes { priority: dice.roll(3) as i32, ..Wishes::default() };
                    let flights: Vec<Flight> =
                        (0..8).filter_map(|_| rig.start_many(dice.roll(3000) as usize, units, wishes).ok()).collect();
                    for flight in &flights {
                        if dice.roll(2) == 0 {
                            let withdrawn = flight.operation.cancel();
                            assert!(!flight.operation.cancel());
                            assert_eq!(withdrawn, flight.operation.is_cancelled());
                        }
                    }
                    for flight in &flights {
                        let cancelled = flight.operation.is_cancelled();
                        assert_eq!(flight.end().is_none(), cancelled);
                        ended.fetch_add(1, Ordering::Relaxed);
                    }
                    // Dropping waits until each is released.
                }
            });
        }
    });
    ended.load(Ordering::Relaxed)
}

#[test]
fn cancelling_at_any_moment_ends_each_once() {
    let rig = Rig::open(Arc::new(Software), options());
    assert_eq!(storm(&rig, 100), THREADS * 100 * 8);
    let load = rig.device.queue.load();
    assert_eq!((load.operations, load.bytes, load.queued, load.waiting), (0, 0, 0, 0));
    assert!(load.peak_bytes <= rig.device.queue.budget().bytes);
}

#[test]
fn cancelling_on_a_faulty_device_ends_each_once() {
    let schedule = vec![
        fault(Kind::Refuse, 13, 0, u64::MAX),
        fault(Kind::Fail, 7, 0, u64::MAX),
        fault(Kind::Duplicate, 5, 0, u64::MAX),
        fault(Kind::Delay(Duration::from_micros(200)), 31, 0, u64::MAX),
    ];
    let rig = Rig::open(faulty(schedule), options());
    assert_eq!(storm(&rig, 40), THREADS * 40 * 8);
    assert_eq!(rig.device.queue.load().operations, 0);
}

#[test]
fn closing_under_load_ends_each_with_a_result_or_closed() {
    for round in 0..20 {
        let rig = Rig::open(Arc::new(Software), options());
        let gate = Barrier::new(THREADS + 1);
        let flights: Vec<Vec<Flight>> = std::thread::scope(|scope| {
            let submitters: Vec<_> = (0..THREADS)
                .map(|_| {
                    scope.spawn(|| {
                        gate.wait();
                        let mut flights = Vec::new();
                        while let Ok(flight) = rig.start_many(500, 1 + flights.len() % 3, Wishes::default()) {
                            flights.push(flight);
                            if flights.len() == 2000 {
                                break;
                            }
                        }
                        flights
                    })
                })
                .collect();
            gate.wait();
            for _ in 0..round * 50 {
                std::thread::yield_now();
            }
            rig.layer.close();
            submitters.into_iter().filter_map(|thread| thread.join().ok()).collect()
        });
        assert_eq!(flights.len(), THREADS);
        for flight in flights.iter().flatten() {
            for unit in flight.end().map(|settled| settled.units).unwrap_or_default() {
                assert!(matches!(unit, Ok(_) | Err(Status::Closed(_))));
            }
        }
        assert_eq!(rig.device.queue.load().operations, 0);
        assert!(matches!(rig.start(1), Err(Status::Closed(_) | Status::NoEngine(_))));
    }
}

#[test]
fn everyone_who_waits_is_told() {
    let rig = Rig::open(Arc::new(Software), options());
    for _ in 0..200 {
        let Ok(flight) = rig.start(2000) else { unreachable!("the layer is open") };
        std::thread::scope(|scope| {
            let waiters: Vec<_> = (0..3).map(|_| scope.spawn(|| flight.operation.wait(Some(rig::PATIENCE)))).collect();
            assert!(waiters.into_iter().all(|waiter| waiter.join().is_ok_and(|in_time| in_time)));
        });
        assert!(flight.operation.take().is_some() && flight.operation.take().is_none());
    }
}

#[test]
fn batches_of_any_size_on_any_number_of_workers_end_with_all_their_results() {
    for workers in 1..6 {
        let rig = Rig::open(Arc::new(Software), acrypto_core::device::Options { workers, ..options() });
        for units in 1..12 {
            let flight = rig.start_many(100, units, Wishes::default());
            let settled = flight.ok().and_then(|flight| flight.end());
            assert_eq!(settled.map(|settled| settled.units.iter().flatten().count()), Some(units), "{workers} workers");
        }
    }
}
