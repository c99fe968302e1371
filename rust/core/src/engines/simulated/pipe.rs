//! The timing of a simulated device, without threads: what goes in, when it comes out, in which order and how.
//!
//! One pipe carries all requests, one after the other, at the device's rate; each comes out a latency after its last
//! byte. With a window, each may be held back for as long as a window full of its like takes, so that others overtake it.

use super::character::Character;
use std::collections::VecDeque;

/// How a request comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Good,
    Failed,
    Corrupt,
    /// Its completion never comes.
    Lost,
}

/// Something in the pipe.
#[derive(Debug)]
pub struct Flight<T> {
    pub load: T,
    /// When the device began with it, in nanoseconds.
    pub start: u64,
    /// When its completion is there.
    pub due: u64,
    pub fate: Fate,
}

/// See the head of this file.
pub struct Pipe<T> {
    /// In the order in which they came.
    flights: VecDeque<Flight<T>>,
    free_at: u64,
    random: Random,
}

impl<T> Pipe<T> {
    pub fn new(seed: u64) -> Self {
        Self { flights: VecDeque::new(), free_at: 0, random: Random(seed) }
    }

    pub fn len(&self) -> usize {
        self.flights.len()
    }

    /// Takes something in that has so many bytes.
    pub fn enter(&mut self, load: T, bytes: u64, now: u64, character: &Character) {
        // Drawn each time, wanted or not: one knob does not change what another one's chances give.
        let [varies, held_back, is_lost, fails, is_corrupt] = std::array::from_fn(|_| self.random.fraction());
        let stretch = 1.0 + character.jitter * (2.0 * varies - 1.0);
        let transfer = character.transfer_ns(bytes) * stretch;
        let others = if character.window > 1 { character.window as f64 } else { 0.0 };
        let delay = character.latency_ns() * stretch + held_back * others * transfer;
        let start = now.max(self.free_at);
        self.free_at = start.saturating_add(transfer.round() as u64);
        let due = self.free_at.saturating_add(delay.round() as u64);
        let fate = if is_lost < character.loss_rate {
            Fate::Lost
        } else if fails < character.error_rate {
            Fate::Failed
        } else if is_corrupt < character.corrupt_rate {
            Fate::Corrupt
        } else {
            Fate::Good
        };
        self.flights.push_back(Flight { load, start, due, fate });
    }

    /// Where the next one to come out lies, and when it does.
    fn next(&self, window: usize) -> Option<(usize, u64)> {
        let inside = self.flights.iter().take(window).enumerate();
        inside.map(|(index, flight)| (index, flight.due)).min_by_key(|&(_, due)| due)
    }

    /// When the next one comes out.
    pub fn next_due(&self, window: usize) -> Option<u64> {
        self.next(window).map(|(_, due)| due)
    }

    /// Takes out one whose time has come.
    pub fn take_due(&mut self, now: u64, window: usize) -> Option<Flight<T>> {
        let (index, due) = self.next(window)?;
        if due <= now { self.flights.remove(index) } else { None }
    }

    /// Empties the pipe.
    pub fn clear(&mut self) -> Vec<T> {
        self.free_at = 0;
        self.flights.drain(..).map(|flight| flight.load).collect()
    }
}

/// Chances that can be had again: SplitMix64, which is for simulations and nothing else.
struct Random(u64);

impl Random {
    /// At least 0 and less than 1.
    fn fraction(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One byte is a nanosecond, and latency is 1 us.
    fn plain() -> Character {
        Character { latency_us: 1.0, rate: 1e9, ..Character::default() }
    }

    /// Sends so many through at once and gives them as they come out.
    fn all(num: u64, bytes: u64, character: &Character, seed: u64) -> Vec<Flight<u64>> {
        let mut pipe = Pipe::new(seed);
        (0..num).for_each(|load| pipe.enter(load, bytes, 0, character));
        std::iter::from_fn(|| {
            let due = pipe.next_due(character.window)?;
            pipe.take_due(due, character.window)
        })
        .collect()
    }

    fn fates(character: &Character, seed: u64) -> Vec<Fate> {
        all(10_000, 100, character, seed).iter().map(|flight| flight.fate).collect()
    }

    #[test]
    fn rate_and_latency_add_up_exactly() {
        for (index, flight) in all(50, 300, &plain(), 1).iter().enumerate() {
            let start = index as u64 * 300;
            assert_eq!((flight.load, flight.start, flight.due), (index as u64, start, start + 300 + 1000));
        }
    }

    #[test]
    fn an_idle_pipe_begins_at_once() {
        let mut pipe = Pipe::new(1);
        pipe.enter((), 10, 0, &plain());
        pipe.enter((), 10, 5000, &plain());
        assert!(pipe.take_due(1009, 1).is_none());
        assert!(pipe.take_due(1010, 1).is_some());
        assert!(pipe.take_due(6010, 1).is_some_and(|flight| (flight.start, flight.due) == (5000, 6010)));
        assert_eq!((pipe.len(), pipe.next_due(1)), (0, None));
    }

    #[test]
    fn a_slow_device_takes_so_many_times_as_long() {
        let slow = all(5, 100, &Character { slow: 10.0, ..plain() }, 1);
        assert_eq!(slow.iter().map(|flight| flight.due).collect::<Vec<_>>(), [11_000, 12_000, 13_000, 14_000, 15_000]);
    }

    #[test]
    fn jitter_stays_within_its_fraction_and_comes_again_with_the_same_seed() {
        let jittery = Character { jitter: 0.25, ..plain() };
        let times = |seed| all(1000, 0, &jittery, seed).iter().map(|flight| flight.due).collect::<Vec<_>>();
        let first = times(7);
        assert!(first.iter().all(|due| (750..=1250).contains(due)));
        assert!(first.iter().any(|due| *due < 800) && first.iter().any(|due| *due > 1200));
        assert_eq!(times(7), first);
        assert_ne!(times(8), first);
    }

    #[test]
    fn without_a_window_the_order_is_kept_whatever_the_jitter() {
        let jittery = Character { jitter: 1.0, ..plain() };
        assert!(all(1000, 50, &jittery, 3).iter().map(|flight| flight.load).eq(0..1000));
    }

    #[test]
    fn completions_overtake_inside_the_window_only() {
        for window in [2usize, 3, 8, 64] {
            let order: Vec<u64> =
                all(1000, 50, &Character { window, ..plain() }, 3).iter().map(|flight| flight.load).collect();
            assert!(!order.is_sorted(), "{window}");
            for (index, load) in order.iter().enumerate() {
                let overtaken = order.iter().skip(index + 1).filter(|later| *later < load).count();
                assert!(overtaken < window, "{load} overtook {overtaken} in a window of {window}");
            }
        }
    }

    #[test]
    fn nothing_comes_out_twice_or_not_at_all() {
        let wild = Character { window: 16, jitter: 0.9, loss_rate: 0.1, error_rate: 0.3, ..plain() };
        let mut loads: Vec<u64> = all(5000, 64, &wild, 5).iter().map(|flight| flight.load).collect();
        loads.sort_unstable();
        assert!(loads.into_iter().eq(0..5000));
    }

    #[test]
    fn fates_befall_at_their_rates_and_come_again_with_the_same_seed() {
        let mixed = Character { error_rate: 0.1, corrupt_rate: 0.05, loss_rate: 0.02, ..plain() };
        let first = fates(&mixed, 1);
        let count = |fate| first.iter().filter(|one| **one == fate).count();
        assert!((850..1150).contains(&count(Fate::Failed)));
        assert!((380..620).contains(&count(Fate::Corrupt)));
        assert!((130..270).contains(&count(Fate::Lost)));
        assert_eq!(fates(&mixed, 1), first);
        assert_ne!(fates(&mixed, 2), first);
        assert!(fates(&plain(), 1).iter().all(|fate| *fate == Fate::Good));
        let sure = Character { error_rate: 1.0, ..plain() };
        assert!(fates(&sure, 1).iter().all(|fate| *fate == Fate::Failed));
    }

    #[test]
    fn another_knob_does_not_change_whom_errors_befall() {
        let failing = Character { error_rate: 0.1, ..plain() };
        let jittery = Character { jitter: 0.5, latency_us: 7.0, ..failing.clone() };
        assert_eq!(fates(&failing, 1), fates(&jittery, 1));
    }

    #[test]
    fn what_is_emptied_begins_anew() {
        let mut pipe = Pipe::new(1);
        (0..3).for_each(|load| pipe.enter(load, 1_000_000, 0, &plain()));
        assert_eq!(pipe.clear(), [0, 1, 2]);
        pipe.enter(3, 10, 0, &plain());
        assert_eq!(pipe.next_due(1), Some(1010));
    }
}
