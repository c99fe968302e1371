//! A device holds no more operations and bytes than its budget, whoever pushes, and forgets nobody who waits.

mod rig;

use acrypto_core::engines::faulty::Kind;
use acrypto_core::engines::software::Software;
use acrypto_core::layer::Wishes;
use acrypto_core::queue::Budget;
use acrypto_core::status::Status;
use rig::{Flight, Rig, fault, faulty, options};
use std::sync::Arc;
use std::time::Duration;

fn tight(operations: usize, bytes: usize) -> acrypto_core::device::Options {
    acrypto_core::device::Options { budget: Budget { operations, bytes }, ..options() }
}

#[test]
fn everything_started_at_once_stays_inside_and_ends() {
    let rig = Rig::open(Arc::new(Software), tight(16, 20_000));
    let flights: Vec<Flight> = (0..5000).filter_map(|i| rig.start(i % 1500).ok()).collect();
    assert_eq!(flights.iter().filter(|flight| flight.outcome().is_ok()).count(), 5000);
    let load = rig.device.queue.load();
    assert!(load.peak_bytes <= 20_000);
    assert_eq!((load.operations, load.bytes, load.waiting), (0, 0, 0));
}

#[test]
fn what_is_larger_than_the_budget_runs_alone() {
    let rig = Rig::open(Arc::new(Software), tight(16, 1000));
    let flights: Vec<Flight> = (0..50).filter_map(|i| rig.start(if i % 5 == 0 { 50_000 } else { 10 }).ok()).collect();
    assert!(flights.iter().all(|flight| flight.outcome().is_ok()));
    assert!(rig.device.queue.load().peak_bytes < 50_100);
}

#[test]
fn a_full_queue_bounces_who_will_not_wait() {
    let mut options = tight(2, 1 << 20);
    options.workers = 1;
    let rig = Rig::open(faulty(vec![fault(Kind::Delay(Duration::from_millis(50)), 1, 0, 1)]), options);
    let hasty = Wishes { must_not_wait: true, ..Wishes::default() };
    let held: Vec<Flight> = (0..2).filter_map(|_| rig.start_many(1, 1, hasty).ok()).collect();
    assert!(matches!(rig.start_many(1, 1, hasty), Err(Status::QueueFull(_))));
    assert!(rig.start(1).is_ok_and(|patient| patient.outcome().is_ok()));
    assert!(held.iter().all(|flight| flight.outcome().is_ok()));
    assert!(rig.start_many(1, 1, hasty).is_ok_and(|flight| flight.outcome().is_ok()));
}

#[test]
fn cancelled_ones_give_their_room_to_who_comes() {
    let mut options = tight(4, 1 << 20);
    options.workers = 1;
    let rig = Rig::open(faulty(vec![fault(Kind::Delay(Duration::from_millis(100)), 1, 0, 1)]), options);
    let Ok(blocker) = rig.start(1) else { unreachable!("the layer is open") };
    while rig.device.queue.load().queued > 0 {
        std::thread::yield_now();
    }
    let queued: Vec<Flight> = (0..3).filter_map(|_| rig.start(1).ok()).collect();
    assert!(queued.iter().all(|flight| flight.operation.cancel()));
    let hasty = Wishes { must_not_wait: true, ..Wishes::default() };
    assert!(rig.start_many(1, 1, hasty).is_ok_and(|flight| flight.outcome().is_ok()));
    assert!(queued.iter().all(|flight| flight.operation.is_released()));
    assert!(blocker.outcome().is_ok());
}

#[test]
fn a_deadline_that_passed_in_the_queue_ends_without_running() {
    let mut options = options();
    options.workers = 1;
    let rig = Rig::open(faulty(vec![fault(Kind::Delay(Duration::from_millis(50)), 1, 0, 1)]), options);
    let Ok(blocker) = rig.start(1) else { unreachable!("the layer is open") };
    let hurried = Wishes { deadline: Some(Duration::from_millis(1)), ..Wishes::default() };
    let late = rig.start_many(1, 1, hurried);
    assert!(late.is_ok_and(|flight| flight.outcome() == Err(Status::DeadlineExceeded)));
    assert!(blocker.outcome().is_ok());
}
