//! `fastest`, the default: whoever is predicted to finish first.
//!
//! Predictions are means of what was measured here, per direction and size class. Four rules keep them true and cheap:
//!
//! * A device not yet measured in this class is tried, now and then, once the best measured one is well known. Until
//!   one is measured the strongest offer serves.
//! * Every other device is looked at again at a rate in inverse proportion to what that costs: with `n` others, each is
//!   explored so rarely that the time it loses is 1/(50 n) of all. So exploration costs 2 %, a device that is far
//!   slower does not keep one from being looked at that is nearly as good, and a slow one that has become fast is
//!   found, and then looked at until its mean is right. The moments come from a low-discrepancy sequence over the
//!   class's requests: they are spread evenly, and no two runs of a test differ.
//! * While the favourite is idle it is kept unless another is better by more than a tenth: means of equals cross often.
//!   A favourite with work in hand has no such right, or backlog would not spread.
//! * A full device is taken only if all are.

use super::{Asked, Balancer, Choice, Seat};
use crate::cost::Bout;

/// A seat with so many samples counts as measured.
const MEASURED: u32 = 3;
/// The best measured seat must have so many before others are tried.
const KNOWN: u32 = 8;
/// A first trial that came out so many times slower is not repeated at once, but left to exploration.
const HOPELESS: u64 = 8;
/// Exploration costs one part in so many.
const PRICE: u64 = 50;
/// A mean that came down to this share after a look is worth another look.
const SURPRISE: f32 = 0.97;
/// A favourite yields to what is better by more than one part in so many.
const LOYALTY: u64 = 10;

/// See the head of this file. What it remembers is in [`crate::cost::Rivalry`].
#[derive(Debug, Default)]
pub struct Fastest;

/// A seat and its predicted finish.
#[derive(Clone, Copy)]
struct Rival<'a> {
    index: usize,
    seat: &'a Seat<'a>,
    finish: u64,
}

impl Rival<'_> {
    fn chosen(self, reason: &'static str) -> Option<Choice> {
        Some(Choice { seat: self.index, reason })
    }
}

fn rivals<'a>(seats: &'a [Seat<'a>]) -> impl Iterator<Item = Rival<'a>> + Clone {
    let finish = |seat: &Seat<'_>| seat.ready_ns.saturating_add(seat.run_ns);
    seats.iter().enumerate().map(move |(index, seat)| Rival { index, seat, finish: finish(seat) })
}

impl Balancer for Fastest {
    fn name(&self) -> &str {
        "fastest"
    }

    /// Without trials and exploration, which befall few requests.
    fn peek(&self, asked: &Asked<'_>, seats: &[Seat<'_>]) -> Option<Choice> {
        if let [_] = seats {
            return Some(Choice { seat: 0, reason: "the only device for it" });
        }
        let all = rivals(seats);
        let roomy = all.clone().filter(|rival| rival.seat.has_room);
        let measured = |rival: &Rival<'_>| rival.seat.samples >= MEASURED;
        let Some(best) = roomy.clone().filter(measured).min_by_key(|rival| rival.finish) else {
            return without_measurement(seats);
        };
        let number = asked.rivalry.bout(asked.direction, asked.bytes).favourite();
        let kept = roomy.clone().filter(measured).find(|rival| {
            let is_idle = rival.seat.operations == 0;
            number == Some(rival.seat.number) && is_idle && rival.finish - best.finish <= best.finish / LOYALTY
        });
        match kept.filter(|rival| rival.index != best.index) {
            Some(favourite) => favourite.chosen("as good as the fastest, and used before"),
            None => best.chosen("predicted to finish first"),
        }
    }

    fn find_device(&self, asked: &Asked<'_>, seats: &[Seat<'_>]) -> Option<Choice> {
        if let [_] = seats {
            return Some(Choice { seat: 0, reason: "the only device for it" });
        }
        let all = rivals(seats);
        let roomy = all.clone().filter(|rival| rival.seat.has_room);
        let measured = |rival: &Rival<'_>| rival.seat.samples >= MEASURED;
        let Some(best) = roomy.clone().filter(measured).min_by_key(|rival| rival.finish) else {
            return without_measurement(seats);
        };
        let bout = asked.rivalry.bout(asked.direction, asked.bytes);
        let request = bout.count();
        if let Some(untried) = trial(roomy.clone(), best, bout, request) {
            return untried.chosen("a trial: not measured yet");
        }
        let favourite = favourite(roomy.clone(), best, bout);
        // The best is another one too while a favourite is kept against it, or its mean would never be put right.
        let others = roomy.filter(|rival| rival.index != favourite.unwrap_or(best).index);
        if let Some(other) = explored(others, best, bout, request, seats.len() as u64 - 1) {
            bout.explore(other.seat.number, other.seat.run_ns);
            return other.chosen("explored");
        }
        if let Some(favourite) = favourite {
            return favourite.chosen("as good as the fastest, and used before");
        }
        let faster_is_full = all.into_iter().any(|rival| measured(&rival) && rival.finish < best.finish);
        best.chosen(if faster_is_full { "has room; faster ones are full" } else { "predicted to finish first" })
    }
}

/// No measured seat has room.
fn without_measurement(seats: &[Seat<'_>]) -> Option<Choice> {
    let all = rivals(seats);
    let any_measured = all.clone().any(|rival| rival.seat.samples >= MEASURED);
    let roomy = all.clone().filter(|rival| rival.seat.has_room);
    match (any_measured, roomy.clone().next()) {
        (false, Some(first)) => first.chosen("the strongest; none is measured yet"),
        (true, Some(_)) => roomy.min_by_key(|rival| rival.finish)?.chosen("has room; measured ones are full"),
        (_, None) => {
            all.into_iter().min_by_key(|rival| rival.finish)?.chosen("every device is full; predicted to finish first")
        }
    }
}

/// A seat to be tried now: the least measured, the strongest of equals; one that promises well before all others.
fn trial<'a>(roomy: impl Iterator<Item = Rival<'a>>, best: Rival<'_>, bout: &Bout, request: u32) -> Option<Rival<'a>> {
    if best.seat.samples < KNOWN {
        return None;
    }
    let (mut next, mut fewest): (Option<Rival<'a>>, u32) = (None, MEASURED);
    for rival in roomy.filter(|rival| rival.seat.samples < MEASURED) {
        let samples = rival.seat.samples;
        if samples > 0 && rival.finish <= best.finish {
            return Some(rival);
        }
        let hopeless = samples > 0 && rival.finish / HOPELESS > best.finish;
        // Behind a queue a trial tells nothing for long, and meanwhile more would follow it.
        let prompt = rival.seat.operations == 0 || rival.seat.ready_ns <= best.finish;
        if samples < fewest && !hopeless && prompt {
            (next, fewest) = (Some(rival), samples);
        }
    }
    next.filter(|_| bout.may_try(request))
}

/// Which of those that would not be chosen is to be looked at again now.
fn explored<'a>(
    mut others: impl Iterator<Item = Rival<'a>> + Clone,
    best: Rival<'_>,
    bout: &Bout,
    request: u32,
    count: u64,
) -> Option<Rival<'a>> {
    // One that was found faster than thought is followed up: its mean still lags behind the truth.
    if let Some((number, run)) = bout.explored()
        && let Some(rival) = others.clone().find(|rival| rival.seat.number == number)
        && (rival.seat.run_ns as f32) < run * SURPRISE
        && (rival.seat.operations == 0 || rival.seat.ready_ns <= best.finish)
    {
        return Some(rival);
    }
    others.find(|rival| rival.seat.samples > 0 && is_due(*rival, best, count, request))
}

/// Whether it is this seat's turn to be explored, as one of `count`.
fn is_due(rival: Rival<'_>, best: Rival<'_>, count: u64, request: u32) -> bool {
    // Rivals that are as good cost nothing to look at, but then there is little to gain either.
    let regret = rival.finish.saturating_sub(best.finish).max(best.finish / 2).max(1);
    let interval = u128::from(regret) * u128::from(PRICE * count);
    // What is dear is not looked at before that many requests were made.
    if u128::from(request) * u128::from(best.finish) < interval {
        return false;
    }
    // Multiples of the golden ratio, from a place of the seat's own.
    let phase = request.wrapping_mul(0x9E37_79B9).wrapping_add(rival.seat.number.wrapping_mul(0x85EB_CA6B));
    u128::from(phase) * interval < u128::from(best.finish) << 32
}

/// The favourite, if it is to be kept against the best; remembers the best as favourite if that has won.
fn favourite<'a>(mut roomy: impl Iterator<Item = Rival<'a>>, best: Rival<'_>, bout: &Bout) -> Option<Rival<'a>> {
    let number = bout.favourite();
    if number == Some(best.seat.number) {
        return None;
    }
    let Some(favourite) = roomy.find(|rival| number == Some(rival.seat.number)) else {
        bout.prefer(best.seat.number);
        return None;
    };
    if favourite.seat.operations != 0 {
        return None;
    }
    if favourite.seat.samples >= MEASURED && favourite.finish - best.finish <= best.finish / LOYALTY {
        return Some(favourite);
    }
    if best.seat.operations == 0 {
        bout.prefer(best.seat.number);
    }
    None
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod laws;
#[cfg(test)]
#[allow(clippy::expect_used)]
mod simulation;
