//! The simulated accelerator, in time that the test moves: how long things take, and how each misfortune ends.

mod rig;

use acrypto_core::alg::Params;
use acrypto_core::device::State;
use acrypto_core::engine::Engine;
use acrypto_core::engines::simulated::{Character, Clock, Death, Identity, Manual, Real, Simulated};
use acrypto_core::engines::software::Software;
use acrypto_core::request::Request;
use acrypto_core::status::{Outcome, Status};
use rig::{Flight, Rig, options};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A device without workers: the test submits, and moves the time.
struct Lab {
    // Before the rig: what is still in the device's hands is let go when the rig closes.
    clock: Arc<Manual>,
    engine: Arc<Simulated>,
    rig: Rig,
}

fn made(character: Character, clock: Arc<dyn Clock>) -> Arc<Simulated> {
    match Simulated::new(Identity::default(), character, 1, clock) {
        Ok(engine) => Arc::new(engine),
        Err(status) => unreachable!("{status}"),
    }
}

/// One byte is a nanosecond, and latency is 1 us.
fn plain() -> Character {
    Character { latency_us: 1.0, rate: 1e9, ..Character::default() }
}

impl Lab {
    fn new(character: Character) -> Self {
        let clock = Arc::new(Manual::default());
        let engine = made(character, Arc::<Manual>::clone(&clock));
        let mut options = options();
        options.workers = 0;
        let rig = Rig::open(Arc::<Simulated>::clone(&engine), options);
        Self { clock, engine, rig }
    }

    /// Requests that are queued, as a worker would get them.
    fn burst(&self, num: usize, len: usize) -> (Vec<Flight>, VecDeque<Request>) {
        let flights: Vec<Flight> = (0..num).filter_map(|_| self.rig.start(len).ok()).collect();
        (flights, self.rig.device.queue.take_now(usize::MAX))
    }

    /// Submits so many; the device takes them all.
    fn submit(&self, num: usize, len: usize) -> Vec<Flight> {
        let (flights, mut burst) = self.burst(num, len);
        self.engine.submit(&mut burst);
        assert_eq!((flights.len(), burst.len()), (num, 0));
        flights
    }

    fn advance(&self, ns: u64) {
        assert!(self.clock.advance(ns), "the device's thread never came to rest");
    }

    fn duplicates(&self) -> u64 {
        self.rig.device.stats.duplicates.load(Ordering::Relaxed)
    }
}

/// How many are still under way.
fn pending(flights: &[Flight]) -> usize {
    flights.iter().filter(|flight| flight.operation.is_pending()).count()
}

fn held(flights: &[Flight]) -> usize {
    flights.iter().filter(|flight| !flight.operation.is_released()).count()
}

fn right(len: usize) -> Result<Vec<u8>, Status> {
    let rig = Rig::open(Arc::new(Software), options());
    rig.start(len).and_then(|flight| flight.outcome())
}

fn is_lost(outcome: &Result<Vec<u8>, Status>) -> bool {
    matches!(outcome, Err(Status::DeviceLost(_) | Status::NoEngine(_)))
}

#[test]
fn rate_and_latency_add_up_and_results_are_right() {
    let lab = Lab::new(plain());
    let flights = lab.submit(3, 500);
    lab.advance(1499);
    assert_eq!(pending(&flights), 3);
    for left in [2, 1, 0] {
        lab.advance(if left == 2 { 1 } else { 500 });
        assert_eq!(pending(&flights), left);
    }
    assert!(flights.iter().all(|flight| flight.outcome() == right(500)));
}

#[test]
fn more_than_its_entries_are_refused_until_some_are_done() {
    let lab = Lab::new(Character { depth: 4, ..plain() });
    let (flights, mut burst) = lab.burst(10, 100);
    lab.engine.submit(&mut burst);
    assert_eq!((burst.len(), lab.engine.in_hands()), (6, 4));
    lab.engine.submit(&mut burst);
    assert_eq!(burst.len(), 6);
    lab.advance(1100);
    lab.engine.submit(&mut burst);
    assert_eq!((burst.len(), lab.engine.in_hands(), pending(&flights)), (5, 4, 9));
    drop(burst);
    lab.rig.layer.close();
}

#[test]
fn it_takes_no_more_at_once_than_it_says() {
    let lab = Lab::new(Character { accept: 2, ..plain() });
    let (flights, mut burst) = lab.burst(5, 100);
    for left in [3, 1, 0] {
        lab.engine.submit(&mut burst);
        assert_eq!(burst.len(), left);
    }
    lab.advance(1500);
    assert_eq!(pending(&flights), 0);
}

#[test]
fn setting_up_costs_the_submitting_thread() {
    let lab = Lab::new(Character { submit_us: 5.0, ..plain() });
    let flights = lab.submit(3, 1);
    assert_eq!(lab.clock.now(), 15_000);
    lab.advance(1001);
    assert_eq!(pending(&flights), 0);
}

#[test]
fn polled_completions_are_seen_at_a_look_or_at_a_submission() {
    let lab = Lab::new(Character { poll_us: 10.0, ..plain() });
    let first = lab.submit(1, 100);
    lab.advance(5000);
    assert_eq!(pending(&first), 1);
    let second = lab.submit(1, 100);
    assert_eq!((pending(&first), pending(&second)), (0, 1));
    lab.advance(4999);
    assert_eq!(pending(&second), 1);
    lab.advance(1);
    assert_eq!(pending(&second), 0);
}

#[test]
fn a_failure_names_the_engine() {
    let lab = Lab::new(Character { error_rate: 1.0, ..plain() });
    let flights = lab.submit(1, 100);
    lab.advance(1100);
    assert!(
        flights
            .iter()
            .all(|flight| matches!(flight.outcome(), Err(Status::Engine { engine, .. }) if engine == "simulated"))
    );
}

#[test]
fn a_corrupted_result_differs_in_a_bit() {
    let lab = Lab::new(Character { corrupt_rate: 1.0, ..plain() });
    let flights = lab.submit(1, 100);
    lab.advance(1100);
    let (Some(Ok(got)), Ok(right)) = (flights.first().map(Flight::outcome), right(100)) else {
        unreachable!("both have a result");
    };
    let bits: u32 = got.iter().zip(&right).map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!((bits, got.len()), (1, right.len()));
}

#[test]
fn a_lost_completion_holds_its_request_but_no_entry_until_it_is_aborted() {
    let lab = Lab::new(Character { loss_rate: 1.0, depth: 2, ..plain() });
    let mut flights = lab.submit(2, 100);
    lab.advance(1_000_000);
    flights.extend(lab.submit(2, 100));
    lab.advance(1_000_000);
    assert_eq!((pending(&flights), lab.engine.in_hands()), (4, 4));
    lab.engine.abort();
    assert_eq!((held(&flights), lab.engine.in_hands()), (0, 0));
    assert!(flights.iter().all(|flight| is_lost(&flight.outcome())));
}

#[test]
fn a_cancelled_request_is_held_until_it_is_due_and_not_run() {
    let lab = Lab::new(plain());
    let flights = lab.submit(1, 100);
    assert!(flights.iter().all(|flight| flight.operation.cancel()));
    lab.advance(1099);
    assert_eq!(held(&flights), 1);
    lab.advance(1);
    assert_eq!(held(&flights), 0);
    assert_eq!(lab.rig.device.stats.tally.completed.load(Ordering::Relaxed), 0);
}

#[test]
fn a_dropping_death_breaks_the_device_and_gives_everything_back() {
    let lab = Lab::new(plain());
    let flights = lab.submit(5, 100);
    lab.advance(1200);
    lab.engine.kill(Death::Dropped);
    assert_eq!((held(&flights), lab.engine.in_hands()), (0, 0));
    assert_eq!(lab.rig.device.state(), State::Broken);
    assert_eq!(flights.iter().filter(|flight| is_lost(&flight.outcome())).count(), 3);
    assert!(lab.engine.health().is_err());
}

#[test]
fn a_silent_death_takes_and_holds_and_says_nothing() {
    let lab = Lab::new(Character { depth: 4, ..plain() });
    let mut flights = lab.submit(2, 100);
    lab.engine.kill(Death::Silent);
    flights.extend(lab.submit(2, 100));
    lab.advance(1_000_000_000);
    assert_eq!(pending(&flights), 4);
    assert_eq!(lab.rig.device.state(), State::Up);
    let (more, mut burst) = lab.burst(1, 100);
    lab.engine.submit(&mut burst);
    assert_eq!(burst.len(), 1, "it has no entry left");
    lab.engine.abort();
    assert_eq!(held(&flights), 4);
    assert!(lab.engine.health().is_err());
    assert!(lab.engine.revive().is_ok());
    assert_eq!((held(&flights), lab.engine.health()), (0, Ok(())));
    lab.engine.submit(&mut burst);
    lab.advance(1100);
    assert_eq!((burst.len(), pending(&more)), (0, 0));
    assert!(more.iter().all(|flight| flight.outcome() == right(100)));
}

#[test]
fn a_holding_death_breaks_the_device_and_keeps_the_memory_until_it_is_revived() {
    let lab = Lab::new(plain());
    let (later, mut burst) = lab.burst(2, 100);
    let flights = lab.submit(3, 100);
    lab.engine.kill(Death::Held);
    assert_eq!(lab.rig.device.state(), State::Broken);
    lab.engine.abort();
    lab.advance(1_000_000);
    lab.engine.submit(&mut burst);
    assert_eq!((held(&flights), burst.len()), (3, 2));
    assert!(lab.engine.revive().is_ok());
    assert_eq!(held(&flights), 0);
    lab.engine.submit(&mut burst);
    lab.advance(1200);
    assert_eq!((burst.len(), pending(&later)), (0, 0));
    assert_eq!(lab.duplicates(), 0);
}

#[test]
fn whatever_its_state_closing_ends_everything() {
    for death in [None, Some(Death::Dropped), Some(Death::Silent), Some(Death::Held)] {
        let lab = Lab::new(Character { loss_rate: 0.5, ..plain() });
        let flights = lab.submit(10, 100);
        lab.advance(1500);
        death.into_iter().for_each(|death| lab.engine.kill(death));
        lab.rig.layer.close();
        assert_eq!((held(&flights), pending(&flights), lab.engine.in_hands()), (0, 0, 0), "{death:?}");
        assert_eq!(lab.duplicates(), 0);
    }
}

#[test]
fn one_that_died_before_it_had_a_device_breaks_it_at_the_first_request() {
    let lab = Lab::new(plain());
    lab.engine.kill(Death::Dropped);
    let (flights, mut burst) = lab.burst(2, 100);
    lab.engine.submit(&mut burst);
    assert_eq!((burst.len(), lab.rig.device.state()), (2, State::Broken));
    drop(burst);
    assert!(flights.iter().all(|flight| is_lost(&flight.outcome())));
}

#[test]
fn a_closed_engine_starts_anew_when_it_is_given_work() {
    let lab = Lab::new(plain());
    let _closed = lab.submit(1, 100);
    lab.engine.close();
    let flights = lab.submit(1, 100);
    lab.advance(1100);
    assert_eq!(pending(&flights), 0);
}

#[test]
fn knobs_turn_while_it_runs() {
    let lab = Lab::new(plain());
    let before = lab.submit(1, 100);
    assert!(lab.engine.tune("slow", 10.0).is_ok());
    let after = lab.submit(1, 100);
    lab.advance(1100);
    assert_eq!((pending(&before), pending(&after)), (0, 1), "what is under way goes on as it began");
    lab.advance(9999);
    assert_eq!(pending(&after), 1);
    lab.advance(1);
    assert_eq!(pending(&after), 0);
    for (knob, value) in [("colour", 1.0), ("depth", 0.0), ("kill", 3.0), ("kill", 0.5), ("kill", f64::NAN)] {
        assert!(matches!(lab.engine.tune(knob, value), Err(Status::Usage(why)) if why.contains(knob)));
    }
    assert!(lab.engine.tune("kill", 1.0).is_ok());
    assert!(matches!(lab.engine.health(), Err(Status::Engine { what, .. }) if what == Death::Silent.told()));
}

#[test]
fn it_offers_what_it_was_asked_to_under_its_own_name() -> Outcome<()> {
    let algorithms = |names: &[&str]| Some(names.iter().map(|name| (*name).to_string()).collect());
    let identity = Identity { name: "quick".into(), priority: 7, algorithms: algorithms(&["crc32", "gcm(aes)"]) };
    let engine = Simulated::new(identity, plain(), 1, Arc::new(Manual::default()))?;
    let offers = engine.offers();
    let mut drivers: Vec<(&str, i32)> = offers.iter().map(|offer| (offer.driver.as_str(), offer.priority)).collect();
    drivers.sort_unstable();
    assert_eq!((engine.name(), drivers), ("quick", vec![("crc32-quick", 7), ("gcm-aes-quick", 7)]));
    for offer in offers.iter().filter(|offer| offer.algorithm == "crc32") {
        let transform = engine.compile(offer, &Params::default())?;
        assert_eq!(transform.driver(acrypto_core::alg::Direction::Digest), "crc32-quick");
    }
    let strange = Identity { algorithms: algorithms(&["nosuch"]), ..Identity::default() };
    let refused = Simulated::new(strange, plain(), 1, Arc::new(Manual::default()));
    assert!(matches!(refused, Err(Status::UnknownAlgorithm(why)) if why.contains("nosuch")));
    Ok(())
}

/// In real time, with workers: all ends, and nothing twice.
fn survives(character: Character, trouble: impl Fn(&Simulated, &Rig, usize)) {
    const NUM: usize = 400;
    let mut options = options();
    options.workers = 1;
    options.lost_after = Duration::from_millis(50);
    let engine = made(character, Arc::new(Real::default()));
    let rig = Rig::open(Arc::<Simulated>::clone(&engine), options);
    let mut flights = Vec::new();
    for number in 0..NUM {
        flights.extend(rig.start(number).ok());
        trouble(&engine, &rig, number);
    }
    for flight in &flights {
        let outcome = flight.outcome();
        let is_known =
            matches!(outcome, Ok(_) | Err(Status::DeviceLost(_) | Status::NoEngine(_) | Status::Engine { .. }));
        assert!(is_known, "{outcome:?}");
    }
    rig.layer.close();
    assert_eq!(held(&flights), 0);
    assert_eq!(engine.in_hands(), 0);
    assert_eq!(rig.device.stats.duplicates.load(Ordering::Relaxed), 0);
}

#[test]
fn in_real_time_with_every_fault_at_once_all_ends() {
    for poll_us in [0.0, 30.0] {
        let wild = Character {
            depth: 8,
            accept: 3,
            window: 4,
            latency_us: 5.0,
            jitter: 0.9,
            error_rate: 0.1,
            corrupt_rate: 0.1,
            loss_rate: 0.02,
            submit_us: 0.5,
            poll_us,
            ..Character::default()
        };
        survives(wild, |_, _, _| {});
    }
}

#[test]
fn in_real_time_each_death_under_load_ends_all() {
    for death in Death::ALL {
        survives(Character { depth: 8, window: 3, ..Character::default() }, |engine, rig, number| match number {
            200 => engine.kill(death),
            300 => rig.device.break_down(), // as whoever finds out that it is silent would
            _ => {}
        });
    }
}
