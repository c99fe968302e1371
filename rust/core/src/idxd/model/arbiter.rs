//! Which queue of a group is served next: each in the measure of its priority, none starves.
//!
//! Smooth weighted round robin: every queue that waits gains its weight, the richest is served and pays what all have
//! gained. Two of weights 15 and 5 are served as a b a a a b a a..., not in runs. A queue that does not wait gains nothing.

/// Priorities are from 0 to this; 0 is served as 1 is.
pub const MAX_PRIORITY: u32 = 15;

/// A queue's standing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Credit(i64);

/// The place of the one to serve among those that wait; none of none.
pub fn pick<'a>(waiting: impl Iterator<Item = (usize, u32, &'a mut Credit)>) -> Option<usize> {
    let mut total = 0;
    let mut best: Option<(usize, &mut Credit)> = None;
    for (place, priority, credit) in waiting {
        let weight = i64::from(priority.clamp(1, MAX_PRIORITY));
        credit.0 += weight;
        total += weight;
        if best.as_ref().is_none_or(|(_, richest)| credit.0 > richest.0) {
            best = Some((place, credit));
        }
    }
    let (place, credit) = best?;
    credit.0 -= total;
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(priorities: &[u32], turns: usize) -> Vec<usize> {
        let mut credits = vec![Credit::default(); priorities.len()];
        let turn = |_| {
            let all = credits.iter_mut().enumerate();
            pick(all.map(|(place, credit)| (place, priorities.get(place).copied().unwrap_or(0), credit)))
        };
        (0..turns).filter_map(turn).collect()
    }

    #[test]
    fn service_is_in_the_measure_of_priority() {
        let served = serve(&[15, 5], 400);
        assert_eq!(served.iter().filter(|place| **place == 0).count(), 300);
        assert!(served.windows(6).all(|run| run.contains(&1)), "the weaker waits for three others at most, or so");
    }

    #[test]
    fn none_starves() {
        let served = serve(&[15, 15, 15, 0], 460);
        assert_eq!(served.iter().filter(|place| **place == 3).count(), 10);
    }

    #[test]
    fn one_alone_is_always_served() {
        assert_eq!(serve(&[3], 5), [0; 5]);
        assert_eq!(serve(&[], 5), []);
    }
}
