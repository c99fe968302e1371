//! `round_robin`: one after the other.

use super::{Asked, Balancer, Choice, Seat};
use std::sync::atomic::{AtomicU32, Ordering};

/// The next device in turn by number, leaving out those that are full unless all are.
#[derive(Debug, Default)]
pub struct RoundRobin {
    /// The number from which the next turn is looked for.
    next: AtomicU32,
}

impl Balancer for RoundRobin {
    fn name(&self) -> &str {
        "round_robin"
    }

    fn peek(&self, _asked: &Asked<'_>, seats: &[Seat<'_>]) -> Option<Choice> {
        let (any_room, next) = (seats.iter().any(|seat| seat.has_room), self.next.load(Ordering::Relaxed));
        let able = seats.iter().enumerate().filter(|(_, seat)| seat.has_room || !any_room);
        let (seat, _) = able.min_by_key(|(_, seat)| seat.number.wrapping_sub(next))?;
        Some(Choice { seat, reason: if any_room { "next in turn" } else { "next in turn; every device is full" } })
    }

    fn find_device(&self, _asked: &Asked<'_>, seats: &[Seat<'_>]) -> Option<Choice> {
        let any_room = seats.iter().any(|seat| seat.has_room);
        let mut next = self.next.load(Ordering::Relaxed);
        loop {
            let able = seats.iter().enumerate().filter(|(_, seat)| seat.has_room || !any_room);
            // Wrapping makes those before `next` the farthest.
            let (index, seat) = able.min_by_key(|(_, seat)| seat.number.wrapping_sub(next))?;
            let after = seat.number.wrapping_add(1);
            match self.next.compare_exchange_weak(next, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => {
                    let reason = if any_room { "next in turn" } else { "next in turn; every device is full" };
                    return Some(Choice { seat: index, reason });
                }
                Err(now) => next = now,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, named};
    use super::*;

    #[test]
    fn each_has_its_turn() {
        let (seats, balancer) = (named(&["a", "b", "c"]), RoundRobin::default());
        let turns: Vec<usize> = (0..7).map(|_| ask(&balancer, &seats).0).collect();
        assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0]);
    }

    #[test]
    fn turns_go_by_number_whatever_the_order_shown_and_survive_a_leaver() {
        let (mut seats, balancer) = (named(&["a", "b", "c"]), RoundRobin::default());
        seats.reverse();
        assert_eq!([ask(&balancer, &seats).0, ask(&balancer, &seats).0], [2, 1]);
        seats.remove(0);
        assert_eq!([ask(&balancer, &seats).0, ask(&balancer, &seats).0], [1, 0]);
    }

    #[test]
    fn the_full_are_left_out_unless_all_are() {
        let (mut seats, balancer) = (named(&["a", "b", "c"]), RoundRobin::default());
        seats[1].has_room = false;
        let turns: Vec<usize> = (0..4).map(|_| ask(&balancer, &seats).0).collect();
        assert_eq!(turns, [0, 2, 0, 2]);
        seats.iter_mut().for_each(|seat| seat.has_room = false);
        assert_eq!(ask(&balancer, &seats), (0, "next in turn; every device is full"));
        assert_eq!(ask(&balancer, &seats).0, 1);
    }

    #[test]
    fn threads_share_the_turns_evenly() {
        let (seats, balancer) = (named(&["a", "b", "c", "d"]), RoundRobin::default());
        let counts: [AtomicU32; 4] = Default::default();
        let take = || {
            for _ in 0..1_000 {
                counts[ask(&balancer, &seats).0].fetch_add(1, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(take);
            }
        });
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1_000));
    }
}
