//! What things cost here: measured time per (device, algorithm and level), direction and size class.
//!
//! A size class is a power of two of source bytes. Each holds a mean of measured times in nanoseconds that forgets
//! exponentially (weight 1/8; more while there are few, or when things become much faster), and how many there were. A
//! class never seen is predicted from the nearest one that was, in proportion to its bytes; where nothing was ever
//! measured, from a deliberately pessimistic prior, so that unknown work is queued rather than run on an event loop.
//!
//! On an engine that does many messages at once what one costs depends on how many travel together: such a table has
//! one of its own for each power of two of them ([`Costs::at`]).
//!
//! Two times are kept. A run is how long one request takes that waits for nobody inside the device. A gap is by how
//! much it delays those behind it, which is less on a device that works on several at once.

use crate::alg::{Direction, Kind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

mod company;
mod rivalry;

pub use company::Company;
pub use rivalry::{Bout, Rivalry};

const CLASSES: usize = 40;
/// Of 2 and more messages together: from 2, from 4, from 8, from 16, from 32.
const DEPTHS: usize = 5;
/// No kind has more directions than this.
const DIRECTIONS: usize = 2;
/// A new measurement weighs at least one in so many.
const MEMORY: u64 = 8;
/// A loaded mean counts as so many measurements at most: this run of the program knows better than the last one.
const LOADED: u32 = 4;

/// One algorithm's costs on one device. Lock-free; shareable between threads.
pub struct Costs {
    kind: Kind,
    runs: [[Cell; CLASSES]; DIRECTIONS],
    gaps: [[Cell; CLASSES]; DIRECTIONS],
    /// What was queued, or run as a batch; and what ran on callers' threads.
    pub tally: Tally,
    pub inline: Tally,
    /// Whether what one costs depends on how many travel together.
    has_lanes: AtomicBool,
    deeper: OnceLock<Box<[Costs; DEPTHS]>>,
}

/// What one device did for one algorithm since it was opened.
#[derive(Debug, Default)]
pub struct Tally {
    pub completed: AtomicU64,
    pub failed: AtomicU64,
    pub bytes_in: AtomicU64,
    pub bytes_out: AtomicU64,
    pub busy_ns: AtomicU64,
}

impl Tally {
    /// Counts an attempt.
    pub fn count(&self, done: u64, failed: u64, bytes_in: u64, bytes_out: u64, run_ns: u64) {
        for (counter, more) in [
            (&self.completed, done),
            (&self.failed, failed),
            (&self.bytes_in, bytes_in),
            (&self.bytes_out, bytes_out),
            (&self.busy_ns, run_ns),
        ] {
            if more > 0 {
                counter.fetch_add(more, Ordering::Relaxed);
            }
        }
    }
}

/// One row for listings, and for the table that outlives the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostRow {
    pub direction: Direction,
    /// The least number of messages that travelled together.
    pub depth: usize,
    /// Smallest source of this class, in bytes.
    pub from_bytes: u64,
    /// Mean run; 0 if none was measured.
    pub nanoseconds: u64,
    /// Mean gap; 0 if none was measured.
    pub gap_ns: u64,
    /// How many runs were measured.
    pub samples: u32,
}

/// A mean and how many measurements are in it, in one word so that both change together.
#[derive(Default)]
struct Cell(AtomicU64);

impl Cell {
    const COUNT_BITS: u32 = 16;
    const MOST: u32 = (1 << Self::COUNT_BITS) - 1;
    /// 78 hours.
    const LONGEST: u64 = (1 << (u64::BITS - Self::COUNT_BITS)) - 1;

    /// Mean in nanoseconds, 0 if nothing was measured; number of measurements, saturating.
    fn read(&self) -> (u64, u32) {
        let word = self.0.load(Ordering::Relaxed);
        (word >> Self::COUNT_BITS, (word & u64::from(Self::MOST)) as u32)
    }

    fn write(&self, mean: u64, count: u32) {
        let word = (mean.clamp(1, Self::LONGEST) << Self::COUNT_BITS) | u64::from(count.min(Self::MOST));
        self.0.store(word, Ordering::Relaxed); // a race loses one sample, which is harmless
    }

    fn record(&self, nanoseconds: u64) {
        let new = nanoseconds.clamp(1, Self::LONGEST);
        let (old, count) = self.read();
        // Nothing is fast by accident: what became twice as fast is believed sooner.
        let memory = if new < old / 2 { 2 } else { MEMORY };
        let weight = (u64::from(count) + 1).min(memory);
        // An outlier (a page fault, a lost time slice) moves the mean by at most a doubling.
        let capped = if count == 0 { new } else { new.min(old.saturating_mul(weight)) };
        self.write(old - old / weight + capped / weight, count.saturating_add(1));
    }

    fn load(&self, nanoseconds: u64, samples: u32) {
        if nanoseconds != 0 && self.read().1 == 0 {
            self.write(nanoseconds, samples.clamp(1, LOADED));
        }
    }
}

/// Which table serves so many messages together; 0 is the one of those that travel alone.
pub fn depth_class(depth: usize) -> usize {
    (depth.max(1).ilog2() as usize).min(DEPTHS)
}

fn class_of(bytes: usize) -> usize {
    (usize::BITS - bytes.leading_zeros()) as usize
}

fn rows_of_cells() -> [[Cell; CLASSES]; DIRECTIONS] {
    std::array::from_fn(|_| std::array::from_fn(|_| Cell::default()))
}

impl Costs {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            runs: rows_of_cells(),
            gaps: rows_of_cells(),
            tally: Tally::default(),
            inline: Tally::default(),
            has_lanes: AtomicBool::new(false),
            deeper: OnceLock::new(),
        }
    }

    /// From now on it tells apart how many messages travel together.
    pub fn tell_depths_apart(&self) {
        self.has_lanes.store(true, Ordering::Relaxed);
    }

    /// What messages cost of which so many travel together.
    pub fn at(&self, depth: usize) -> &Self {
        let class = depth_class(depth);
        if class == 0 || !self.has_lanes.load(Ordering::Relaxed) {
            return self;
        }
        let deeper = self.deeper.get_or_init(|| Box::new(std::array::from_fn(|_| Self::new(self.kind))));
        deeper.get(class - 1).unwrap_or(self)
    }

    /// The direction's row of one of the two tables; none if this kind has no such direction.
    fn row<'a>(&self, table: &'a [[Cell; CLASSES]; DIRECTIONS], direction: Direction) -> Option<&'a [Cell; CLASSES]> {
        table.get(self.kind.directions().iter().position(|&own| own == direction)?)
    }

    /// Records one measured run.
    pub fn record(&self, direction: Direction, bytes: usize, nanoseconds: u64) {
        if let Some(cell) = self.row(&self.runs, direction).and_then(|row| row.get(class_of(bytes))) {
            cell.record(nanoseconds);
        }
    }

    /// Records by how much one request delayed those behind it.
    pub fn record_gap(&self, direction: Direction, bytes: usize, nanoseconds: u64) {
        if let Some(cell) = self.row(&self.gaps, direction).and_then(|row| row.get(class_of(bytes))) {
            cell.record(nanoseconds);
        }
    }

    /// How many runs of just this size class were measured; saturates.
    pub fn samples(&self, direction: Direction, bytes: usize) -> u32 {
        self.row(&self.runs, direction).and_then(|row| row.get(class_of(bytes))).map_or(0, |cell| cell.read().1)
    }

    /// Predicted run time in nanoseconds.
    pub fn predict(&self, direction: Direction, bytes: usize) -> u64 {
        let prior = self.prior(bytes);
        self.row(&self.runs, direction).and_then(|row| nearest(row, bytes, prior)).unwrap_or(prior)
    }

    /// Predicted delay for those behind it, in nanoseconds; a whole run where no gap was ever measured.
    pub fn predict_gap(&self, direction: Direction, bytes: usize) -> u64 {
        let run = self.predict(direction, bytes);
        self.row(&self.gaps, direction).and_then(|row| nearest(row, bytes, run)).map_or(run, |gap| gap.min(run))
    }

    fn prior(&self, bytes: usize) -> u64 {
        let bytes = bytes as u64;
        let (fixed, each) = match self.kind {
            Kind::Compression => (5_000, 30),
            Kind::Digest | Kind::Mac => (1_000, 3),
            Kind::Cipher | Kind::Aead => (1_000, 2),
            Kind::Random => (2_000, 5),
            Kind::Signature | Kind::Agreement => (300_000, 3),
        };
        bytes.saturating_mul(each).saturating_add(fixed)
    }

    /// Whether anything was measured.
    pub fn has_samples(&self) -> bool {
        !self.rows().is_empty()
    }

    /// What was measured or loaded so far.
    pub fn rows(&self) -> Vec<CostRow> {
        let mut rows = self.own_rows(1);
        for (deeper, class) in self.deeper.get().into_iter().flat_map(|deeper| deeper.iter()).zip(1..) {
            rows.append(&mut deeper.own_rows(1 << class));
        }
        rows
    }

    fn own_rows(&self, depth: usize) -> Vec<CostRow> {
        let mut rows = Vec::new();
        for (&direction, (runs, gaps)) in self.kind.directions().iter().zip(self.runs.iter().zip(&self.gaps)) {
            for (class, (run, gap)) in runs.iter().zip(gaps).enumerate() {
                let ((nanoseconds, samples), (gap_ns, _)) = (run.read(), gap.read());
                if nanoseconds != 0 || gap_ns != 0 {
                    let from_bytes = if class == 0 { 0 } else { 1u64 << (class - 1) };
                    rows.push(CostRow { direction, depth, from_bytes, nanoseconds, gap_ns, samples });
                }
            }
        }
        rows
    }

    /// Takes over a row of an earlier program, with little weight, where nothing was measured yet.
    pub fn load(&self, direction: Direction, from_bytes: u64, nanoseconds: u64, gap_ns: u64, samples: u32) {
        let class = class_of(usize::try_from(from_bytes).unwrap_or(usize::MAX));
        for (table, value) in [(&self.runs, nanoseconds), (&self.gaps, gap_ns)] {
            if let Some(cell) = self.row(table, direction).and_then(|row| row.get(class)) {
                cell.load(value, samples);
            }
        }
    }
}

/// The class's own mean, or the nearest one's in proportion; `most_more` bounds what is added to a smaller class's
/// mean, most of which is no matter of bytes.
fn nearest(row: &[Cell; CLASSES], bytes: usize, most_more: u64) -> Option<u64> {
    let class = class_of(bytes).min(CLASSES - 1);
    let known = |class: usize| row.get(class).map(|cell| cell.read().0).filter(|&mean| mean != 0);
    if let Some(exact) = known(class) {
        return Some(exact);
    }
    (1..CLASSES).find_map(|distance| {
        // A larger class first: scaling down errs on the side of caution.
        let larger = known(class + distance).map(|mean| (mean >> distance).max(100));
        larger.or_else(|| {
            let mean = known(class.checked_sub(distance)?)?;
            Some(mean.saturating_mul(1 << distance).min(mean.saturating_add(most_more)))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unknown_is_scaled_from_the_nearest_known() {
        let costs = Costs::new(Kind::Digest);
        costs.record(Direction::Digest, 4096, 2_400);
        assert_eq!(costs.predict(Direction::Digest, 4096), 2_400);
        assert_eq!(costs.predict(Direction::Digest, 8192), 4_800);
        assert_eq!(costs.predict(Direction::Digest, 2048), 1_200);
    }

    #[test]
    fn the_large_is_not_thought_a_multiple_of_the_tiny() {
        let costs = Costs::new(Kind::Digest);
        costs.record(Direction::Digest, 64, 1_000);
        assert!(costs.predict(Direction::Digest, 1 << 20) < 5_000_000);
        assert!(costs.predict(Direction::Digest, 1 << 20) > 1_000_000);
    }

    #[test]
    fn repeated_measurement_converges_and_one_outlier_does_not() {
        let costs = Costs::new(Kind::Aead);
        for _ in 0..100 {
            costs.record(Direction::Encrypt, 64, 1_000);
        }
        costs.record(Direction::Encrypt, 64, 1_000_000_000);
        assert!(costs.predict(Direction::Encrypt, 64) < 2_500);
        for _ in 0..100 {
            costs.record(Direction::Encrypt, 64, 300);
        }
        assert!((250..400).contains(&costs.predict(Direction::Encrypt, 64)));
    }

    #[test]
    fn what_became_ten_times_faster_is_believed_after_a_few_runs() {
        let costs = Costs::new(Kind::Aead);
        for _ in 0..100 {
            costs.record(Direction::Encrypt, 64, 10_000);
        }
        for _ in 0..4 {
            costs.record(Direction::Encrypt, 64, 1_000);
        }
        assert!(costs.predict(Direction::Encrypt, 64) < 2_000);
    }

    #[test]
    fn no_single_measurement_after_the_first_more_than_doubles_a_mean() {
        for before in 1..20 {
            let costs = Costs::new(Kind::Mac);
            for _ in 0..before {
                costs.record(Direction::Mac, 64, 1_000);
            }
            costs.record(Direction::Mac, 64, u64::MAX);
            assert!(costs.predict(Direction::Mac, 64) <= 2_000, "after {before}");
        }
    }

    #[test]
    fn unmeasured_compression_of_a_page_is_not_thought_instant() {
        assert!(Costs::new(Kind::Compression).predict(Direction::Compress, 4096) > 30_000);
    }

    #[test]
    fn a_mean_of_minutes_is_held() {
        let costs = Costs::new(Kind::Compression);
        let minutes = 20 * 60 * 1_000_000_000;
        for _ in 0..100 {
            costs.record(Direction::Compress, 1 << 34, minutes);
        }
        assert!(costs.predict(Direction::Compress, 1 << 34).abs_diff(minutes) < minutes / 1000);
        assert_eq!(costs.samples(Direction::Compress, 1 << 34), 100);
    }

    #[test]
    fn the_count_saturates_and_leaves_the_mean_alone() {
        let costs = Costs::new(Kind::Digest);
        for _ in 0..70_000 {
            costs.record(Direction::Digest, 64, 800);
        }
        assert_eq!(costs.samples(Direction::Digest, 64), 65_535);
        assert_eq!(costs.predict(Direction::Digest, 64), 800);
    }

    #[test]
    fn a_gap_is_a_run_until_it_is_measured_and_never_more_than_a_run() {
        let costs = Costs::new(Kind::Aead);
        costs.record(Direction::Encrypt, 4096, 20_000);
        assert_eq!(costs.predict_gap(Direction::Encrypt, 4096), 20_000);
        costs.record_gap(Direction::Encrypt, 4096, 5_000);
        assert_eq!(costs.predict_gap(Direction::Encrypt, 4096), 5_000);
        assert_eq!(costs.predict_gap(Direction::Encrypt, 8192), 10_000);
        costs.record_gap(Direction::Decrypt, 64, 9_000);
        costs.record(Direction::Decrypt, 64, 3_000);
        assert_eq!(costs.predict_gap(Direction::Decrypt, 64), 3_000);
    }

    #[test]
    fn what_is_measured_in_one_direction_says_nothing_of_the_other() {
        let costs = Costs::new(Kind::Signature);
        costs.record(Direction::Sign, 64, 7);
        assert_eq!(costs.samples(Direction::Verify, 64), 0);
        assert!(costs.predict(Direction::Verify, 64) > 100_000);
        costs.record(Direction::Digest, 64, 7); // not one of a signature's
        assert_eq!(costs.rows().len(), 1);
    }

    #[test]
    fn rows_loaded_elsewhere_predict_the_same_and_yield_to_what_is_measured() {
        let old = Costs::new(Kind::Aead);
        for _ in 0..50 {
            old.record(Direction::Decrypt, 4096, 20_000);
            old.record_gap(Direction::Decrypt, 4096, 6_000);
        }
        let new = Costs::new(Kind::Aead);
        for row in old.rows() {
            new.load(row.direction, row.from_bytes, row.nanoseconds, row.gap_ns, row.samples);
        }
        assert_eq!(new.predict(Direction::Decrypt, 4096), 20_000);
        assert_eq!(new.predict_gap(Direction::Decrypt, 4096), 6_000);
        assert_eq!(new.samples(Direction::Decrypt, 4096), LOADED);
        new.record(Direction::Decrypt, 4096, 10_000);
        old.record(Direction::Decrypt, 4096, 10_000);
        assert!(new.predict(Direction::Decrypt, 4096) < old.predict(Direction::Decrypt, 4096));
        new.load(Direction::Decrypt, 4096, 1, 1, 1);
        assert!(new.predict(Direction::Decrypt, 4096) > 10_000);
    }

    #[test]
    fn sizes_beyond_all_classes_harm_nothing() {
        let costs = Costs::new(Kind::Digest);
        costs.record(Direction::Digest, usize::MAX, 5);
        costs.load(Direction::Digest, u64::MAX, 5, 5, 5);
        assert!(costs.rows().is_empty());
        assert!(costs.predict(Direction::Digest, usize::MAX) > 1);
    }

    #[test]
    fn a_table_is_small() {
        assert!(size_of::<Costs>() < 2048);
    }

    #[test]
    fn with_lanes_each_power_of_two_of_messages_has_a_table_of_its_own() {
        let costs = Costs::new(Kind::Digest);
        costs.tell_depths_apart();
        for depth in [1, 2, 4, 8, 16, 32] {
            costs.at(depth).record(Direction::Digest, 4096, 10_000 / depth as u64);
        }
        for (depth, class) in [(0, 1), (1, 1), (3, 2), (7, 4), (15, 8), (31, 16), (32, 32), (100_000, 32)] {
            assert_eq!(costs.at(depth).predict(Direction::Digest, 4096), 10_000 / class, "{depth} together");
        }
        assert_eq!(costs.rows().iter().map(|row| row.depth).collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32]);
    }

    #[test]
    fn without_lanes_it_makes_no_difference_how_many_there_are() {
        let costs = Costs::new(Kind::Digest);
        costs.at(64).record(Direction::Digest, 4096, 700);
        assert_eq!(costs.at(1).predict(Direction::Digest, 4096), 700);
    }
}
