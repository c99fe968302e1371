//! Whatever an engine does, each operation ends once and with the right status, and the device counts it.

mod rig;

use acrypto_core::device::State;
use acrypto_core::engines::faulty::Kind;
use acrypto_core::engines::software::Software;
use acrypto_core::status::Status;
use rig::{Flight, Rig, fault, faulty, options};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const NUM: usize = 60;

/// Starts many, ends all, and returns how they ended.
fn outcomes(rig: &Rig) -> Vec<Result<Vec<u8>, Status>> {
    let flights: Vec<Flight> = (0..NUM).filter_map(|i| rig.start(100 + i).ok()).collect();
    flights.iter().map(Flight::outcome).collect()
}

fn reference() -> Vec<Result<Vec<u8>, Status>> {
    outcomes(&Rig::open(Arc::new(Software), options()))
}

#[test]
fn a_refused_request_is_offered_again() {
    let rig = Rig::open(faulty(vec![fault(Kind::Refuse, 3, 0, 40)]), options());
    assert_eq!(outcomes(&rig), reference());
    assert!(rig.device.stats.refused.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_delayed_request_is_only_late() {
    let rig = Rig::open(faulty(vec![fault(Kind::Delay(Duration::from_millis(1)), 7, 0, 8)]), options());
    assert_eq!(outcomes(&rig), reference());
}

#[test]
fn a_failed_request_tells_the_engine() {
    let rig = Rig::open(faulty(vec![fault(Kind::Fail, 2, 0, u64::MAX)]), options());
    let ended = outcomes(&rig);
    let failed = ended.iter().filter(|outcome| matches!(outcome, Err(Status::Engine { .. }))).count();
    assert_eq!((failed, ended.iter().flatten().count()), (NUM / 2, NUM / 2));
    assert_eq!(rig.device.stats.tally.failed.load(Ordering::Relaxed), NUM as u64 / 2);
}

#[test]
fn a_corrupted_result_differs_from_the_right_one() {
    let rig = Rig::open(faulty(vec![fault(Kind::Corrupt, 1, 0, 1)]), options());
    let differing = outcomes(&rig).iter().zip(&reference()).filter(|(got, right)| got != right).count();
    assert_eq!(differing, 1);
}

#[test]
fn a_duplicated_completion_is_counted_and_ignored() {
    let rig = Rig::open(faulty(vec![fault(Kind::Duplicate, 2, 0, u64::MAX)]), options());
    assert_eq!(outcomes(&rig), reference());
    rig.layer.close();
    assert_eq!(rig.device.stats.duplicates.load(Ordering::Relaxed), NUM as u64 / 2);
}

#[test]
fn a_dropped_completion_ends_as_lost_and_lingers_until_the_device_closes() {
    let mut options = options();
    options.lost_after = Duration::from_millis(20);
    let rig = Rig::open(faulty(vec![fault(Kind::Drop, 10, 0, u64::MAX)]), options);
    let flights: Vec<Flight> = (0..NUM).filter_map(|_| rig.start(50).ok()).collect();
    let lost = flights.iter().filter(|flight| matches!(flight.outcome(), Err(Status::DeviceLost(_)))).count();
    assert_eq!(lost, NUM / 10);
    assert_eq!(flights.iter().filter(|flight| !flight.operation.is_released()).count(), lost);
    rig.layer.close();
    assert!(flights.iter().all(|flight| flight.operation.is_released()));
}

#[test]
fn a_dead_device_ends_everything_and_takes_nothing_more() {
    let rig = Rig::open(faulty(vec![fault(Kind::Die, 1, 10, 1)]), options());
    let flights: Vec<Flight> = (0..NUM).filter_map(|_| rig.start(50).ok()).collect();
    let lost = flights.iter().filter(|flight| matches!(flight.outcome(), Err(Status::DeviceLost(_)))).count();
    assert!(lost > 0);
    assert_eq!(rig.device.state(), State::Broken);
    assert!(matches!(rig.start(50), Err(Status::NoEngine(_))));
}

#[test]
fn a_dead_device_runs_nothing_that_waited_behind_its_budget() {
    let mut options = options();
    options.workers = 1;
    options.budget.operations = 4;
    let schedule = vec![fault(Kind::Delay(Duration::from_millis(50)), 1, 0, 1), fault(Kind::Die, 1, 1, 1)];
    let rig = Rig::open(faulty(schedule), options);
    let flights: Vec<Flight> = (0..NUM).filter_map(|_| rig.start(50).ok()).collect();
    let good = flights.iter().filter(|flight| flight.outcome().is_ok()).count();
    assert_eq!((good, flights.len()), (1, NUM));
}

#[test]
fn a_completion_dropped_while_the_device_closes_is_released_too() {
    let mut options = options();
    options.workers = 1;
    let schedule = vec![fault(Kind::Delay(Duration::from_millis(100)), 1, 1, 1), fault(Kind::Drop, 1, 2, u64::MAX)];
    let rig = Rig::open(faulty(schedule), options);
    // The first only makes sure that the worker is awake; the rest is one burst, in whose middle the device closes.
    assert!(rig.start(1).is_ok_and(|flight| flight.outcome().is_ok()));
    let flights: Vec<Flight> = (0..4).filter_map(|_| rig.start(50).ok()).collect();
    while rig.device.queue.load().queued > 0 {
        std::thread::yield_now();
    }
    rig.layer.close();
    let released = flights.iter().filter(|flight| flight.operation.is_released()).count();
    if released < flights.len() {
        flights.into_iter().for_each(std::mem::forget);
    }
    assert_eq!(released, 4);
}

#[test]
fn closing_with_an_idle_watcher_does_not_wait_for_its_nap() {
    let started = std::time::Instant::now();
    for _ in 0..200 {
        Rig::open(faulty(Vec::new()), options()).layer.close();
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}
