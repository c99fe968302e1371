//! What a simulated device is like: numbers that may be turned while it runs, each within limits.

use crate::status::{Outcome, Status};

/// How it died.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// It broke and handed back everything in its hands.
    Dropped,
    /// It completes nothing more and says nothing; what it is given it takes and holds.
    Silent,
    /// It broke, and the memory of what was in its hands stays in its reach.
    Held,
}

impl Death {
    /// In the order of the knob `kill`.
    pub const ALL: [Self; 3] = [Self::Dropped, Self::Silent, Self::Held];

    /// What its engine's `health` says.
    pub fn told(self) -> &'static str {
        match self {
            Self::Dropped => "it broke and gave back what it had",
            Self::Silent => "it does not answer",
            Self::Held => "it broke and holds what it had",
        }
    }
}

/// See the head of this file. Times apply to requests taken from now on.
#[derive(Debug, Clone, PartialEq)]
pub struct Character {
    /// Most requests in its hands; more are refused.
    pub depth: usize,
    /// Most requests taken at one submission; 0 for all that fit.
    pub accept: usize,
    /// A completion overtakes fewer than so many others: 1 keeps the order.
    pub window: usize,
    /// Whether it does the next stages of a route in the same pass.
    pub chain: bool,
    /// Microseconds from the last byte of a request to its completion.
    pub latency_us: f64,
    /// Bytes per second through its one pipe.
    pub rate: f64,
    /// By which fraction times vary at most, to both sides.
    pub jitter: f64,
    /// Chances that a request fails, that its result has a wrong bit, that its completion never comes.
    pub error_rate: f64,
    pub corrupt_rate: f64,
    pub loss_rate: f64,
    /// Microseconds that each request costs the submitting thread.
    pub submit_us: f64,
    /// Microseconds between two looks for completions; 0 for an interrupt with each.
    pub poll_us: f64,
    /// Multiplies all times.
    pub slow: f64,
}

impl Default for Character {
    fn default() -> Self {
        Self {
            depth: 64,
            accept: 0,
            window: 1,
            chain: false,
            latency_us: 20.0,
            rate: 2e9,
            jitter: 0.0,
            error_rate: 0.0,
            corrupt_rate: 0.0,
            loss_rate: 0.0,
            submit_us: 0.0,
            poll_us: 0.0,
            slow: 1.0,
        }
    }
}

/// A knob's name, least and most value, and whether it takes whole numbers only.
const KNOBS: [(&str, f64, f64, bool); 13] = [
    ("depth", 1.0, 65_536.0, true),
    ("accept", 0.0, 65_536.0, true),
    ("window", 1.0, 65_536.0, true),
    ("chain", 0.0, 1.0, true),
    ("latency_us", 0.0, 1e8, false),
    ("rate", 1.0, 1e15, false),
    ("jitter", 0.0, 1.0, false),
    ("error_rate", 0.0, 1.0, false),
    ("corrupt_rate", 0.0, 1.0, false),
    ("loss_rate", 0.0, 1.0, false),
    ("submit_us", 0.0, 1e6, false),
    ("poll_us", 0.0, 1e6, false),
    ("slow", 1e-6, 1e6, false),
];

impl Character {
    /// Turns one knob.
    ///
    /// Fails with a usage error, and changes nothing, if there is no such knob or the value is outside its limits.
    pub fn set(&mut self, knob: &str, value: f64) -> Outcome<()> {
        let Some(&(_, least, most, is_whole)) = KNOBS.iter().find(|known| known.0 == knob) else {
            let known: Vec<&str> = KNOBS.iter().map(|known| known.0).collect();
            return Err(Status::usage(format!("no knob is called {knob:?}; there are {}", known.join(", "))));
        };
        if !(least..=most).contains(&value) {
            return Err(Status::usage(format!("{knob} is {value}; it must be from {least} to {most}")));
        }
        if is_whole && value.fract() != 0.0 {
            return Err(Status::usage(format!("{knob} is {value}; it must be a whole number")));
        }
        match knob {
            "depth" => self.depth = value as usize,
            "accept" => self.accept = value as usize,
            "window" => self.window = value as usize,
            "chain" => self.chain = value > 0.0,
            "latency_us" => self.latency_us = value,
            "rate" => self.rate = value,
            "jitter" => self.jitter = value,
            "error_rate" => self.error_rate = value,
            "corrupt_rate" => self.corrupt_rate = value,
            "loss_rate" => self.loss_rate = value,
            "submit_us" => self.submit_us = value,
            "poll_us" => self.poll_us = value,
            _ => self.slow = value,
        }
        Ok(())
    }

    /// Nanoseconds that so many bytes keep the pipe busy.
    pub fn transfer_ns(&self, bytes: u64) -> f64 {
        bytes as f64 * 1e9 / self.rate * self.slow
    }

    /// Nanoseconds from there to the completion.
    pub fn latency_ns(&self) -> f64 {
        self.latency_us * 1e3 * self.slow
    }

    /// Nanoseconds that a request costs the submitting thread.
    pub fn submit_ns(&self) -> u64 {
        (self.submit_us * 1e3 * self.slow) as u64
    }

    /// When a completion that is there at `due` is seen.
    pub fn seen_at(&self, due: u64) -> u64 {
        let between = (self.poll_us * 1e3) as u64;
        if between == 0 { due } else { due.checked_next_multiple_of(between).unwrap_or(u64::MAX) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_knob_turns_within_its_limits_and_no_further() {
        for (knob, least, most, is_whole) in KNOBS {
            let mut character = Character::default();
            character.set(knob, least).unwrap();
            let at_least = character.clone();
            character.set(knob, most).unwrap();
            assert_ne!(character, at_least, "{knob}");
            for wrong in [least - 1.0, most * 1.5, f64::NAN, f64::INFINITY] {
                assert!(matches!(character.set(knob, wrong), Err(Status::Usage(why)) if why.contains(knob)));
            }
            assert_eq!(character.set(knob, least + 0.5).is_err(), is_whole || least + 0.5 > most, "{knob}");
        }
    }

    #[test]
    fn an_unknown_knob_is_told_with_those_that_there_are() {
        let wrong = Character::default().set("colour", 1.0);
        assert!(matches!(wrong, Err(Status::Usage(why)) if why.contains("colour") && why.contains("latency_us")));
    }

    #[test]
    fn completions_are_seen_at_the_next_look() {
        let mut character = Character::default();
        assert_eq!(character.seen_at(1234), 1234);
        character.set("poll_us", 1.0).unwrap();
        assert_eq!((character.seen_at(1), character.seen_at(1000), character.seen_at(1001)), (1000, 1000, 2000));
    }
}
