//! How long things took, as a histogram of powers of two of nanoseconds.

use std::sync::atomic::{AtomicU64, Ordering};

/// The last bucket begins at 2^46 ns, 19 hours.
const BUCKETS: usize = 48;

/// Counts of durations. Lock-free; shareable between threads. Readers may see a duration counted that began to be
/// recorded after them, never half of one.
pub struct Histogram {
    /// Bucket 0 holds 0 ns; bucket `b`, from 2^(b-1) ns to just below 2^b.
    counts: [AtomicU64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, nanoseconds: u64) {
        let bucket = (u64::BITS - nanoseconds.leading_zeros()) as usize;
        if let Some(count) = self.counts.get(bucket.min(BUCKETS - 1)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The buckets in use: their smallest duration in nanoseconds, and how many fell into them.
    pub fn rows(&self) -> Vec<(u64, u64)> {
        let counts =
            self.counts.iter().enumerate().map(|(bucket, count)| (from(bucket), count.load(Ordering::Relaxed)));
        counts.filter(|&(_, count)| count != 0).collect()
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).fold(0, u64::saturating_add)
    }

    /// The duration in nanoseconds that a share `q` (0 to 1) of all did not exceed, evenly spread inside its bucket: at
    /// most a factor of two off. 0 if nothing was counted.
    pub fn quantile(&self, q: f64) -> u64 {
        let rows = self.rows();
        let total = rows.iter().fold(0u64, |sum, &(_, count)| sum.saturating_add(count));
        let mut before = 0.0;
        let wanted = q.clamp(0.0, 1.0) * total as f64;
        for &(least, count) in &rows {
            let here = count as f64;
            if before + here >= wanted {
                return least + (least as f64 * ((wanted - before) / here).clamp(0.0, 1.0)) as u64;
            }
            before += here;
        }
        // A share that is no number, or rounding: the upper end.
        rows.last().map_or(0, |&(least, _)| least.saturating_mul(2))
    }
}

fn from(bucket: usize) -> u64 {
    if bucket == 0 { 0 } else { 1 << (bucket - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_recorded_has_no_rows_and_a_quantile_of_nothing() {
        let histogram = Histogram::default();
        assert!(histogram.rows().is_empty());
        assert_eq!((histogram.count(), histogram.quantile(0.5)), (0, 0));
    }

    #[test]
    fn a_bucket_reaches_from_a_power_of_two_to_below_the_next() {
        let histogram = Histogram::default();
        for nanoseconds in [0, 1, 2, 3, 4, 1023, 1024, u64::MAX] {
            histogram.record(nanoseconds);
        }
        let rows = [(0, 1), (1, 1), (2, 2), (4, 1), (512, 1), (1024, 1), (1 << 46, 1)];
        assert_eq!(histogram.rows(), rows);
        assert_eq!(histogram.count(), 8);
    }

    #[test]
    fn quantiles_rise_and_are_within_a_factor_of_two() {
        let histogram = Histogram::default();
        let all: Vec<u64> = (1..=10_000).map(|n| n * 100).collect();
        all.iter().for_each(|&nanoseconds| histogram.record(nanoseconds));
        let mut last = 0;
        for percent in 1..=100 {
            let (guess, truth) = (histogram.quantile(f64::from(percent) / 100.0), all[percent as usize * 100 - 1]);
            assert!(guess >= last && guess <= truth * 2 && truth <= guess * 2, "{percent} %: {guess} for {truth}");
            last = guess;
        }
    }

    #[test]
    fn shares_out_of_range_are_taken_as_the_ends() {
        let histogram = Histogram::default();
        histogram.record(1_000);
        assert_eq!(histogram.quantile(-1.0), 512);
        assert_eq!(histogram.quantile(7.0), 1024);
        assert_eq!(histogram.quantile(f64::NAN), 1024);
    }
}
