//! `failover`: the first device of an order that can.

use super::{Asked, Balancer, Choice, Seat};

/// Device names, the preferred one first. Those not named come after them, strongest first; with an empty order all
/// are, which is the kernel's rule.
#[derive(Debug, Clone, Default)]
pub struct Failover {
    pub order: Vec<String>,
}

impl Balancer for Failover {
    fn name(&self) -> &str {
        "failover"
    }

    fn find_device(&self, _asked: &Asked<'_>, seats: &[Seat<'_>]) -> Option<Choice> {
        let find = |name: &String| seats.iter().enumerate().find(|(_, seat)| seat.device == name);
        let there = || self.order.iter().filter_map(find);
        if let Some((seat, _)) = there().find(|(_, seat)| seat.has_room) {
            return Some(Choice { seat, reason: "first of the order that has room" });
        }
        if let Some(seat) = seats.iter().position(|seat| seat.has_room) {
            let reason =
                if self.order.is_empty() { "the strongest that has room" } else { "none of the order has room" };
            return Some(Choice { seat, reason });
        }
        let seat = there().next().map_or(0, |(seat, _)| seat);
        seats.get(seat).map(|_| Choice { seat, reason: "first of the order; every device is full" })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, named};
    use super::*;

    fn balancer(order: &[&str]) -> Failover {
        Failover { order: order.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn the_first_of_the_order_that_is_there_serves() {
        let seats = named(&["a", "b", "c"]);
        assert_eq!(ask(&balancer(&["gone", "c", "a"]), &seats), (2, "first of the order that has room"));
    }

    #[test]
    fn a_full_one_is_passed_over_and_the_rest_come_by_strength() {
        let mut seats = named(&["a", "b", "c"]);
        seats[2].has_room = false;
        assert_eq!(ask(&balancer(&["c", "b"]), &seats).0, 1);
        seats[1].has_room = false;
        assert_eq!(ask(&balancer(&["c", "b"]), &seats), (0, "none of the order has room"));
    }

    #[test]
    fn with_all_full_it_waits_for_the_first_that_is_there() {
        let mut seats = named(&["a", "b", "c"]);
        seats.iter_mut().for_each(|seat| seat.has_room = false);
        assert_eq!(ask(&balancer(&["gone", "b"]), &seats).0, 1);
        assert_eq!(ask(&balancer(&["gone"]), &seats).0, 0);
    }

    #[test]
    fn no_order_means_the_strongest_that_is_usable() {
        let mut seats = named(&["a", "b"]);
        assert_eq!(ask(&balancer(&[]), &seats), (0, "the strongest that has room"));
        seats[0].has_room = false;
        assert_eq!(ask(&balancer(&[]), &seats).0, 1);
    }
}
