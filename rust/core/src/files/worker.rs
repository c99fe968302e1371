//! One thread of a job: small files whole, large ones with the others.

use super::ahead::Ahead;
use super::input::Source;
use super::pool::{Helped, Pool, Work, broken};
use super::tree::Tree;
use super::{Failure, Row, Spec, Task};
use crate::alg::stream::Hasher;
use crate::status::{Outcome, Status};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

/// Bytes that are read and hashed in turn: they stay in the cache of the core.
const STEP: usize = 128 << 10;

/// What a thread keeps from file to file.
#[derive(Default)]
pub struct Bench {
    hashers: Vec<(Arc<Spec>, Box<dyn Hasher>)>,
    /// For pieces, or for the steps of one.
    pub memory: Vec<u8>,
}

impl Bench {
    /// A hasher in its first state. Hashers start anew when they have finished, so they serve again.
    fn hasher(&mut self, spec: &Arc<Spec>) -> Outcome<Box<dyn Hasher>> {
        match self.hashers.iter().position(|(known, _)| Arc::ptr_eq(known, spec)) {
            Some(at) => Ok(self.hashers.swap_remove(at).1),
            None => spec.hasher(),
        }
    }

    fn keep(&mut self, spec: &Arc<Spec>, hasher: Box<dyn Hasher>) {
        self.hashers.push((Arc::clone(spec), hasher));
    }

    pub fn step(&mut self) -> &mut [u8] {
        if self.memory.len() < STEP {
            self.memory.resize(STEP, 0);
        }
        self.memory.get_mut(..STEP).unwrap_or_default()
    }
}

/// Works until the job ends.
pub fn run(pool: &Arc<Pool>) {
    let mut bench = Bench::default();
    while let Some(work) = pool.next() {
        match work {
            Work::Help(helped) => {
                // Whoever waits for the piece is told by the claim on it, which is dropped on the way.
                let _ = catch_unwind(AssertUnwindSafe(|| helped.help(pool, &mut bench)));
            }
            Work::File(index, task) => {
                let (started, mut bytes) = (Instant::now(), 0);
                let work = AssertUnwindSafe(|| digest(pool, &mut bench, task, &mut bytes));
                let outcome = catch_unwind(work).unwrap_or_else(|_| Err(broken()));
                pool.finished(Row { index, outcome, bytes, elapsed: started.elapsed() });
            }
        }
    }
}

fn digest(pool: &Arc<Pool>, bench: &mut Bench, task: Task, bytes: &mut u64) -> Result<Vec<u8>, Failure> {
    let Task { input, spec } = task;
    let source = Arc::new(Source::open(input)?);
    let is_large = source.size.is_some_and(|size| size > pool.piece as u64);
    if is_large {
        source.read_in_order();
    }
    if let Some(size) = spec.tree.filter(|_| is_large)
        && let Some(digest) = by_subtrees(pool, bench, &source, size, bytes)?
    {
        return Ok(digest);
    }
    let mut hasher = bench.hasher(&spec)?;
    if is_large {
        read_ahead(pool, bench, &source, &mut *hasher, bytes)?;
    } else {
        to_the_end(pool, bench, &source, &mut *hasher, bytes)?;
    }
    let digest = hasher.finish();
    if digest.is_empty() {
        return Err(Status::Internal(format!("{} gave no digest", spec.driver)).into());
    }
    bench.keep(&spec, hasher);
    Ok(digest)
}

/// Reads on from `bytes` to the end, and hashes.
fn to_the_end(
    pool: &Pool,
    bench: &mut Bench,
    source: &Source,
    hasher: &mut dyn Hasher,
    bytes: &mut u64,
) -> Result<(), Failure> {
    let space = bench.step();
    loop {
        let count = source.read(*bytes, space, pool)?;
        if count == 0 {
            return Ok(());
        }
        hasher.update(space.get(..count).unwrap_or_default());
        *bytes += count as u64;
        pool.hashed(count);
    }
}

/// Hashes a large file that the other threads read ahead of us.
fn read_ahead(
    pool: &Arc<Pool>,
    bench: &mut Bench,
    source: &Arc<Source>,
    hasher: &mut dyn Hasher,
    bytes: &mut u64,
) -> Result<(), Failure> {
    let ahead = Arc::new(Ahead::new(Arc::clone(source), pool.piece));
    let shared: Arc<dyn Helped> = Arc::clone(&ahead) as Arc<dyn Helped>;
    if pool.helpers() > 0 {
        pool.ask_for_help(&shared, 1);
    }
    let outcome = ahead.hash(pool, bench, hasher, bytes);
    pool.helped_out(&shared);
    outcome?;
    // It may have grown meanwhile; and an open file's position is to be where reading ended.
    source.go_to(*bytes)?;
    to_the_end(pool, bench, source, hasher, bytes)
}

/// The BLAKE3 digest by all threads; `None` if the file has another size by now, so that it is to be read in order.
fn by_subtrees(
    pool: &Arc<Pool>,
    bench: &mut Bench,
    source: &Arc<Source>,
    size: usize,
    bytes: &mut u64,
) -> Result<Option<Vec<u8>>, Failure> {
    let tree = Arc::new(Tree::new(Arc::clone(source), pool.piece));
    let shared: Arc<dyn Helped> = Arc::clone(&tree) as Arc<dyn Helped>;
    let helpers = pool.helpers().min(tree.pieces().saturating_sub(1).try_into().unwrap_or(usize::MAX));
    if helpers > 0 {
        pool.ask_for_help(&shared, helpers);
    }
    let outcome = tree.hash(pool, bench);
    pool.helped_out(&shared);
    let join = outcome?;
    let len = source.size.unwrap_or(0);
    source.go_to(len)?;
    let Some(join) = join.filter(|_| !matches!(source.read(len, &mut [0], pool), Ok(1..))) else {
        pool.unhashed(tree.hashed());
        source.go_to(0)?;
        return Ok(None);
    };
    *bytes = len;
    Ok(Some(join.finish(size)?))
}
