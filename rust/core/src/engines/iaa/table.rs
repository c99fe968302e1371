//! The tables that say which queue the next request of a CPU goes to.
//!
//! Every CPU has a list of queues for each direction and goes round in it. The lists are made anew, for all CPUs, each
//! time a queue comes or goes: who reads sees the old tables or the new ones. [`Plan`] is the arithmetic; here is what
//! a request meets, and that has to be cheap: one lock that the threads of one CPU share and no others touch.

use crate::alg::Direction;
use crate::ffi::cpu;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

mod plan;
#[cfg(test)]
mod tests;
mod topology;

pub use plan::{MAX_IAA_WQ, MAX_PKG_IAA, Mapping, Place, Plan};
pub use topology::Topology;

/// One CPU's queues for one direction.
struct Round<T> {
    queues: Arc<[T]>,
    /// Which is next. Two threads of one CPU may read the same number and so meet in one queue, which does no harm;
    /// counting exactly would cost every request an atomic addition.
    next: AtomicUsize,
}

impl<T: Clone> Round<T> {
    fn new(queues: Arc<[T]>, start: usize) -> Self {
        Self { queues, next: AtomicUsize::new(start) }
    }

    fn take(&self) -> Option<T> {
        let at = self.next.load(Ordering::Relaxed);
        let queue = self.queues.get(at).or_else(|| self.queues.first())?;
        self.next.store(if at + 1 < self.queues.len() { at + 1 } else { 0 }, Ordering::Relaxed);
        Some(queue.clone())
    }
}

struct Rounds<T> {
    compress: Round<T>,
    decompress: Round<T>,
}

impl<T: Clone> Rounds<T> {
    fn empty() -> Self {
        let none: Arc<[T]> = Arc::from(Vec::new());
        Self { compress: Round::new(none.clone(), 0), decompress: Round::new(none, 0) }
    }

    fn of(&self, direction: Direction) -> &Round<T> {
        if direction == Direction::Compress { &self.compress } else { &self.decompress }
    }
}

/// A CPU's table. Two cache lines of its own, since processors fetch them in pairs.
#[repr(align(128))]
struct Seat<T>(RwLock<Rounds<T>>);

/// The queues of every CPU; shareable between threads.
///
/// `T` is what a queue is to the driver, usually an `Arc`: who takes one holds a reference to it from then on.
pub struct Tables<T> {
    topology: Topology,
    seats: Box<[Seat<T>]>,
}

impl<T: Clone> Tables<T> {
    /// Tables without queues, for the CPUs of `topology`.
    pub fn new(topology: Topology) -> Self {
        let seats = (0..topology.num_numbers()).map(|_| Seat(RwLock::new(Rounds::empty()))).collect();
        Self { topology, seats }
    }

    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Makes all tables anew for `devices`, each given as its queues, in the order in which they came.
    ///
    /// No devices empty the tables. When this returns, nobody gets a queue that is not among `devices` any more.
    pub fn rebalance(&self, devices: &[Vec<T>], mapping: Mapping) -> Plan {
        let queues: Vec<usize> = devices.iter().map(Vec::len).collect();
        let plan = Plan::new(&self.topology, &queues, mapping);
        let lists: Vec<Arc<[T]>> = plan
            .lists
            .iter()
            .map(|list| list.iter().filter_map(|(device, queue)| devices.get(*device)?.get(*queue)).cloned().collect())
            .collect();
        let round = |(list, start): (usize, usize)| lists.get(list).map(|queues| Round::new(queues.clone(), start));
        let rounds = |entry: &plan::Entry| {
            Some(Rounds { compress: round(entry.compress)?, decompress: round(entry.decompress)? })
        };
        // A CPU that comes online later uses what the first one does.
        let spare = |_| plan.entries.first().and_then(rounds).unwrap_or_else(Rounds::empty);
        let mut made: Vec<Rounds<T>> = (0..self.seats.len()).map(spare).collect();
        for entry in &plan.entries {
            if let (Some(seat), Some(rounds)) = (made.get_mut(entry.cpu), rounds(entry)) {
                *seat = rounds;
            }
        }
        {
            // All are held before the first is changed, so that nobody sees some of the old and some of the new; always
            // in the same order, so that two rebalances cannot wait for each other.
            let mut held: Vec<_> =
                self.seats.iter().map(|seat| seat.0.write().unwrap_or_else(PoisonError::into_inner)).collect();
            for (old, new) in held.iter_mut().zip(&mut made) {
                std::mem::swap(&mut **old, new);
            }
        }
        drop(made); // what was there before may be the last reference to a queue; not under the locks
        plan
    }

    /// The queue for the next request of the calling thread; none if there are no queues.
    pub fn next(&self, direction: Direction) -> Option<T> {
        self.next_on(cpu::current(), direction)
    }

    /// The queue for the next request of `cpu`. CPUs that were not there when the topology was read share the tables
    /// of those that were.
    pub fn next_on(&self, cpu: usize, direction: Direction) -> Option<T> {
        let seat = self.seat(cpu)?.0.read().unwrap_or_else(PoisonError::into_inner);
        seat.of(direction).take()
    }

    /// The queues that `cpu` goes round in, in their order.
    pub fn queues(&self, cpu: usize, direction: Direction) -> Vec<T> {
        self.seat(cpu).map_or_else(Vec::new, |seat| {
            seat.0.read().unwrap_or_else(PoisonError::into_inner).of(direction).queues.to_vec()
        })
    }

    fn seat(&self, cpu: usize) -> Option<&Seat<T>> {
        self.seats.get(cpu).or_else(|| self.seats.get(cpu % self.seats.len().max(1)))
    }
}
