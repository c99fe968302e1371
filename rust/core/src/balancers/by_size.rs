//! `by_size`: small requests to one device, large ones to another.

use super::{Asked, Balancer, Choice, Seat};

/// Below `threshold` bytes the device named `small`, else the one named `large`.
#[derive(Debug, Clone)]
pub struct BySize {
    pub threshold: usize,
    pub small: String,
    pub large: String,
}

impl Balancer for BySize {
    fn name(&self) -> &str {
        "by_size"
    }

    /// Its own device if it has room, else the other if that has; with both full it waits for its own. Where neither is
    /// there, the strongest with room.
    fn find_device(&self, asked: &Asked<'_>, seats: &[Seat<'_>]) -> Option<Choice> {
        let find = |name: &str| seats.iter().position(|seat| seat.device == name);
        let has_room = |&seat: &usize| seats.get(seat).is_some_and(|seat| seat.has_room);
        let (own, other, reason) = if asked.bytes < self.threshold {
            (find(&self.small), find(&self.large), "small: below the threshold")
        } else {
            (find(&self.large), find(&self.small), "large: not below the threshold")
        };
        let choice = |seat, reason| Some(Choice { seat, reason });
        if let Some(seat) = own.filter(has_room) {
            return choice(seat, reason);
        }
        if let Some(seat) = other.filter(has_room) {
            return choice(
                seat,
                if own.is_some() { "the one for its size is full" } else { "the one for its size is not there" },
            );
        }
        match (own, other) {
            (Some(seat), _) => choice(seat, "the one for its size; both are full"),
            (None, Some(seat)) => choice(seat, "the one for its size is not there, the other is full"),
            (None, None) => {
                let first = seats.iter().position(|seat| seat.has_room);
                if let Some(seat) = first {
                    return choice(seat, "neither device of the two is there");
                }
                seats.first().and_then(|_| choice(0, "neither device of the two is there; every device is full"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, ask_of, named};
    use super::*;

    fn balancer() -> BySize {
        BySize { threshold: 4096, small: "cpu".to_string(), large: "card".to_string() }
    }

    #[test]
    fn the_threshold_itself_is_large() {
        let seats = named(&["card", "cpu", "spare"]);
        assert_eq!(ask_of(&balancer(), &seats, 4095), (1, "small: below the threshold"));
        assert_eq!(ask_of(&balancer(), &seats, 4096), (0, "large: not below the threshold"));
    }

    #[test]
    fn the_other_steps_in_for_one_that_is_full_or_away() {
        let mut seats = named(&["card", "cpu", "spare"]);
        seats[1].has_room = false;
        assert_eq!(ask_of(&balancer(), &seats, 64), (0, "the one for its size is full"));
        seats.remove(1);
        assert_eq!(ask_of(&balancer(), &seats, 64), (0, "the one for its size is not there"));
        seats[0].has_room = false;
        assert_eq!(ask_of(&balancer(), &seats, 64).0, 0);
    }

    #[test]
    fn with_both_full_it_waits_for_its_own() {
        let mut seats = named(&["card", "cpu", "spare"]);
        seats[0].has_room = false;
        seats[1].has_room = false;
        assert_eq!(ask_of(&balancer(), &seats, 64), (1, "the one for its size; both are full"));
    }

    #[test]
    fn strangers_serve_where_neither_is_there() {
        let mut seats = named(&["spare", "other"]);
        seats[0].has_room = false;
        assert_eq!(ask(&balancer(), &seats), (1, "neither device of the two is there"));
        seats[1].has_room = false;
        assert_eq!(ask(&balancer(), &seats).0, 0);
    }
}
