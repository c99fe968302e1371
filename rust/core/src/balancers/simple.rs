//! `simple`: whoever has the fewest requests.

use super::{Asked, Balancer, Choice, Seat};

/// Fewest requests in hand; the first of equals, which is the strongest.
#[derive(Debug, Default)]
pub struct Simple;

impl Balancer for Simple {
    fn name(&self) -> &str {
        "simple"
    }

    fn find_device(&self, _asked: &Asked<'_>, seats: &[Seat<'_>]) -> Option<Choice> {
        let all = || seats.iter().enumerate();
        let fewest = all().filter(|(_, seat)| seat.has_room).min_by_key(|(_, seat)| seat.operations);
        if let Some((seat, _)) = fewest {
            return Some(Choice { seat, reason: "fewest requests" });
        }
        let (seat, _) = all().min_by_key(|(_, seat)| seat.operations)?;
        Some(Choice { seat, reason: "fewest requests; every device is full" })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ask, named};
    use super::*;

    #[test]
    fn the_fewest_requests_win_and_the_first_of_equals() {
        let mut seats = named(&["a", "b", "c"]);
        assert_eq!(ask(&Simple, &seats), (0, "fewest requests"));
        seats[0].operations = 2;
        seats[1].operations = 1;
        seats[2].operations = 1;
        assert_eq!(ask(&Simple, &seats).0, 1);
    }

    #[test]
    fn a_full_device_is_taken_only_if_all_are() {
        let mut seats = named(&["a", "b"]);
        seats[1].operations = 9;
        seats[0].has_room = false;
        assert_eq!(ask(&Simple, &seats).0, 1);
        seats[1].has_room = false;
        assert_eq!(ask(&Simple, &seats), (0, "fewest requests; every device is full"));
    }
}
