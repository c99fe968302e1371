//! What of a model may be turned while it runs: its speed, and how it meets page faults.

use crate::idxd::wire::{Completion, Descriptor, opcode, status};
use crate::status::{Outcome, Status};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Nanoseconds unless they say otherwise; 0 turns each off.
#[derive(Default)]
pub struct Knobs {
    compress_ns: AtomicU64,
    decompress_ns: AtomicU64,
    other_ns: AtomicU64,
    /// What an engine does; 0 for as fast as this machine can.
    bytes_per_second: AtomicU64,
    /// What takes longer is given up.
    watchdog_ns: AtomicU64,
    /// How long a page that is not there takes to come.
    fault_ns: AtomicU64,
    /// How long a page is waited for.
    fault_timeout_ns: AtomicU64,
    /// Pages that are not there never come.
    faults_stay: AtomicU64,
    /// Whether any of the above needs the clock.
    is_timed: AtomicBool,
}

/// Far beyond any sensible value, and safe to add to a moment.
const MAX: f64 = 1e15;

impl Knobs {
    pub const NAMES: [&str; 8] = [
        "compress_ns",
        "decompress_ns",
        "other_ns",
        "bytes_per_second",
        "watchdog_ns",
        "fault_ns",
        "fault_timeout_ns",
        "faults_stay",
    ];

    fn all(&self) -> [&AtomicU64; 8] {
        [
            &self.compress_ns,
            &self.decompress_ns,
            &self.other_ns,
            &self.bytes_per_second,
            &self.watchdog_ns,
            &self.fault_ns,
            &self.fault_timeout_ns,
            &self.faults_stay,
        ]
    }

    /// Turns one.
    ///
    /// # Errors
    /// A usage error that names the knobs, or the limits of a value.
    pub fn set(&self, name: &str, value: f64) -> Outcome<()> {
        let found = Self::NAMES.iter().zip(self.all()).find(|(known, _)| **known == name);
        let Some((_, knob)) = found else {
            return Err(Status::usage(format!("unknown knob {name:?}; there are {}", Self::NAMES.join(", "))));
        };
        if !(0.0..=MAX).contains(&value) {
            return Err(Status::usage(format!("{name} is {value}; it must be from 0 to {MAX:e}")));
        }
        knob.store(value as u64, Ordering::Relaxed);
        let timed = [&self.compress_ns, &self.decompress_ns, &self.other_ns, &self.bytes_per_second, &self.fault_ns];
        let timed = timed.iter().any(|knob| knob.load(Ordering::Relaxed) > 0);
        self.is_timed.store(timed, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn is_timed(&self) -> bool {
        self.is_timed.load(Ordering::Relaxed)
    }

    /// How long an engine is about it: its latency and, at its rate, the larger of what goes in and what comes out.
    pub(super) fn duration(&self, descriptor: &Descriptor, completion: &Completion) -> u64 {
        let latency = match descriptor.opcode() {
            opcode::COMPRESS => &self.compress_ns,
            opcode::DECOMPRESS => &self.decompress_ns,
            _ => &self.other_ns,
        };
        let latency = latency.load(Ordering::Relaxed);
        let moves = !matches!(descriptor.opcode(), opcode::NOOP | opcode::DRAIN);
        match self.bytes_per_second.load(Ordering::Relaxed) {
            0 => latency,
            _ if !moves => latency,
            rate => {
                let bytes = u64::from(descriptor.src1_size.max(completion.output_size));
                latency.saturating_add((u128::from(bytes) * 1_000_000_000 / u128::from(rate)) as u64)
            }
        }
    }

    /// How long an operation may take.
    pub(super) fn watchdog(&self) -> u64 {
        match self.watchdog_ns.load(Ordering::Relaxed) {
            0 => u64::MAX,
            limit => limit,
        }
    }

    /// How long a page takes to come; the status it ends with if it does not.
    pub(super) fn fault(&self) -> Result<u64, (u64, u8)> {
        let (takes, limit) = (self.fault_ns.load(Ordering::Relaxed), self.fault_timeout_ns.load(Ordering::Relaxed));
        let stays = self.faults_stay.load(Ordering::Relaxed) != 0;
        if stays || limit > 0 && takes > limit { Err((limit, status::PAGE_REQUEST_TIMEOUT)) } else { Ok(takes) }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn time_is_latency_and_the_larger_side_at_the_rate() {
        let knobs = Knobs::default();
        let compress = Descriptor { src1_size: 4096, ..Descriptor::new(opcode::COMPRESS, 0) };
        let decompress = Descriptor { src1_size: 100, ..Descriptor::new(opcode::DECOMPRESS, 0) };
        let done = Completion { output_size: 2000, ..Completion::of(status::SUCCESS) };
        assert_eq!((knobs.is_timed(), knobs.duration(&compress, &done)), (false, 0));
        knobs.set("compress_ns", 100.0).unwrap();
        knobs.set("bytes_per_second", 1e9).unwrap();
        assert_eq!(knobs.duration(&compress, &done), 4196);
        assert_eq!(knobs.duration(&decompress, &done), 2000);
        assert_eq!(knobs.duration(&Descriptor::new(opcode::NOOP, 0), &done), 0);
        assert!(knobs.is_timed());
    }

    #[test]
    fn a_knob_that_is_not_there_and_a_value_out_of_range_are_refused() {
        let knobs = Knobs::default();
        assert!(knobs.set("colour", 1.0).unwrap_err().to_string().contains("compress_ns"));
        for value in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(knobs.set("other_ns", value).unwrap_err().to_string().contains("from 0 to"));
        }
    }
}
