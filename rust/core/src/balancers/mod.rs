//! Which device a request goes to: one policy per file.
//!
//! A balancer sees a request and the devices that could take it now, as plain numbers, and picks one. It runs on the
//! submitting thread, or on the thread on which another device failed, under no lock of ours. Devices that are broken,
//! quarantined, draining or without a matching offer are never shown; those without room are, and say so, since waiting
//! for a fast device may be better than a slow one that is free.

use crate::alg::Direction;
use crate::cost::Rivalry;

mod by_size;
mod failover;
mod fastest;
mod round_robin;
mod simple;

pub use by_size::BySize;
pub use failover::Failover;
pub use fastest::Fastest;
pub use round_robin::RoundRobin;
pub use simple::Simple;

/// A request, as a balancer sees it.
pub struct Asked<'a> {
    pub algorithm: &'a str,
    pub direction: Direction,
    /// What its cost depends on: bytes to read, or to generate.
    pub bytes: usize,
    pub priority: i32,
    /// Whose work it is; 0 for nobody's in particular.
    pub client: u32,
    /// Devices of the layer, those that are not shown among them.
    pub device_count: usize,
    /// What has been learnt of this algorithm's rivals so far.
    pub rivalry: &'a Rivalry,
}

/// A device that could take the request.
#[derive(Debug, Clone, Copy)]
pub struct Seat<'a> {
    /// The device's name.
    pub device: &'a str,
    pub engine: &'a str,
    /// A small number of the device's own, never used again in this layer.
    pub number: u32,
    /// Its offer's priority: the larger, the more its engine thinks of itself. Seats are shown strongest first.
    pub priority: i32,
    /// Requests in its hands: queued, waiting behind its budget, running.
    pub operations: usize,
    /// Nanoseconds until it would begin with this request: what is ahead of it, and the hand-over.
    pub ready_ns: u64,
    /// Nanoseconds that the request would run there; measured or guessed.
    pub run_ns: u64,
    /// How many runs of this size there were, so that one can tell a measurement from a guess.
    pub samples: u32,
    /// Whether its queue has room for the request now.
    pub has_room: bool,
}

/// What a balancer chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Index into the seats.
    pub seat: usize,
    /// Why, for the completion.
    pub reason: &'static str,
}

/// What happened to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    Arrived(&'a str),
    Broke(&'a str),
    Left(&'a str),
}

/// See the head of this file. Shareable between threads.
pub trait Balancer: Send + Sync {
    /// A name that no other balancer of the layer has.
    fn name(&self) -> &str;

    /// Picks a seat; `None` sends the request away with `NoEngine`. There is at least one seat.
    fn find_device(&self, asked: &Asked<'_>, seats: &[Seat<'_>]) -> Option<Choice>;

    /// What it would pick, for who only asks: nothing is remembered, no turn is used up.
    fn peek(&self, asked: &Asked<'_>, seats: &[Seat<'_>]) -> Option<Choice> {
        self.find_device(asked, seats)
    }

    /// Told of each change; whether requests that are still queued elsewhere should be placed anew.
    fn rehash(&self, _event: Event<'_>) -> bool {
        true
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
pub(crate) mod tests {
    use super::{Asked, Balancer, Seat};
    use crate::alg::Direction;
    use crate::cost::Rivalry;

    /// Idle, unmeasured seats of these names, in this order, numbered from 1.
    pub fn named<'a>(names: &[&'a str]) -> Vec<Seat<'a>> {
        let seat = |(number, &device): (u32, &&'a str)| Seat {
            device,
            engine: "test",
            number,
            priority: 0,
            operations: 0,
            ready_ns: 0,
            run_ns: 1_000,
            samples: 0,
            has_room: true,
        };
        (1..).zip(names).map(seat).collect()
    }

    /// The seat chosen for one page, and why.
    pub fn ask(balancer: &dyn Balancer, seats: &[Seat<'_>]) -> (usize, &'static str) {
        ask_of(balancer, seats, 4096)
    }

    /// The seat chosen for so many bytes by a balancer without memory, and why.
    pub fn ask_of(balancer: &dyn Balancer, seats: &[Seat<'_>], bytes: usize) -> (usize, &'static str) {
        let rivalry = Rivalry::default();
        let asked = Asked {
            algorithm: "x",
            direction: Direction::Encrypt,
            bytes,
            priority: 0,
            client: 0,
            device_count: 4,
            rivalry: &rivalry,
        };
        let choice = balancer.find_device(&asked, seats).expect("there are seats");
        (choice.seat, choice.reason)
    }
}
