//! A moment in one word, where an `Instant` takes two: a million requests may remember one each.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static DAWN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since a moment of this process: enough for five centuries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Of an instant; one before the first that was asked for becomes that.
    pub fn of(instant: Instant) -> Self {
        Self(u64::try_from(instant.saturating_duration_since(*DAWN).as_nanos()).unwrap_or(u64::MAX))
    }

    pub fn now() -> Self {
        LazyLock::force(&DAWN);
        Self::of(Instant::now())
    }

    pub fn instant(self) -> Instant {
        let dawn = *DAWN;
        dawn.checked_add(Duration::from_nanos(self.0)).unwrap_or(dawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_its_instant() {
        let first = Moment::now();
        let instant = first.instant() + Duration::from_nanos(12_345_678_901);
        assert_eq!(Moment::of(instant).instant(), instant);
        assert!(first < Moment::of(instant));
    }
}
