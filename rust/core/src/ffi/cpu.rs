//! Which CPU we are on.

/// The number of the CPU that the calling thread runs on right now; 0 where nobody knows.
///
/// The thread may be moved before this returns: the answer is a hint about where memory is near, and no more. The C
/// library reads it from a word that the kernel keeps up to date (rseq), so it costs a nanosecond or two.
pub fn current() -> usize {
    // SAFETY: takes nothing and writes nothing.
    let cpu = unsafe { libc::sched_getcpu() };
    usize::try_from(cpu).unwrap_or(0)
}
