//! What a forked child must know: threads and lock states do not survive a fork.
//!
//! Every layer remembers the generation it was opened in; a child counts one up (from `os.register_at_fork`) and every
//! entry point compares before it takes any lock, since a lock may have been held by a thread that no longer exists.

use std::sync::atomic::{AtomicU64, Ordering};

static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The number of forks between the first process and this one.
pub fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// To be called in the child, before anything else of ours.
pub fn child_started() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
