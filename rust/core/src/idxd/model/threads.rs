//! The threads of a device: look for work, spin briefly, sleep.

use super::board::Board;
use super::work::Work;
use crate::sync::lock_std as lock;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Looks at all queues in a row that find nothing before a thread sleeps: some 20 us.
const LOOKS: u32 = 800;
/// A timed sleep may end this much late: what is due sooner is waited for awake.
const SLACK_NS: u64 = 100_000;
/// Sleeps at most so long while something is to come: a test's clock may be moved meanwhile.
const LONGEST: Duration = Duration::from_millis(1);
/// What another thread's engine or a fence holds up is looked at again.
const BLOCKED: Duration = Duration::from_micros(200);

#[derive(Default)]
pub(super) struct Threads(Mutex<Vec<JoinHandle<()>>>);

impl Threads {
    /// Starts them.
    ///
    /// # Errors
    /// If the system has no more threads; those that were started run.
    pub fn start(&self, board: &Arc<Board>) -> std::io::Result<()> {
        board.is_stopping.store(false, Ordering::SeqCst);
        let mut running = lock(&self.0);
        for _ in 0..board.capabilities.threads {
            let own = Arc::clone(board);
            let name = format!("{}/device", board.capabilities.name);
            running.push(std::thread::Builder::new().name(name).spawn(move || own.work())?);
        }
        Ok(())
    }

    /// Ends them, and waits until they have. In a forked child, which has none of them, they are forgotten.
    pub fn stop(&self, board: &Board) {
        if !board.is_ours() {
            return;
        }
        let running = std::mem::take(&mut *lock(&self.0));
        board.is_stopping.store(true, Ordering::SeqCst);
        board.bell.ring_all();
        for thread in running {
            let _ = thread.join(); // it cannot panic: it catches those of what it runs
        }
    }
}

impl Board {
    fn work(&self) {
        let mut works = Vec::new();
        let mut version = u64::MAX;
        let mut looks = 0;
        while !self.is_stopping.load(Ordering::Acquire) {
            let newest = self.version.load(Ordering::Acquire);
            if newest != version {
                version = newest;
                works = self.works();
            }
            let due = self.next_due();
            let is_due = due != u64::MAX && due <= self.clock.now();
            let waiting = works.iter().any(|work| work.waiting() > 0);
            if (waiting || is_due) && self.groups.iter().map(|group| self.serve(group)).sum::<usize>() > 0 {
                looks = 0;
            } else if self.bell.is_helped() {
                self.bell.nap();
                looks = LOOKS;
            } else if looks < LOOKS {
                looks += 1;
                std::hint::spin_loop();
            } else {
                self.rest(&works, due, waiting, version);
                looks = 0;
            }
        }
    }

    fn next_due(&self) -> u64 {
        self.groups.iter().map(|group| group.next_due()).min().unwrap_or(u64::MAX)
    }

    /// Sleeps until there may be something to do.
    fn rest(&self, works: &[Arc<Work>], due: u64, waiting: bool, version: u64) {
        let left = if due == u64::MAX { u64::MAX } else { due.saturating_sub(self.clock.now()) };
        let most = match left {
            _ if waiting => Some(BLOCKED),
            u64::MAX => None,
            ..SLACK_NS => {
                std::thread::yield_now();
                return;
            }
            left => Some(Duration::from_nanos(left - SLACK_NS).min(LONGEST)),
        };
        self.bell.sleep(most, || {
            let is_same = self.version.load(Ordering::SeqCst) == version && !self.is_stopping.load(Ordering::SeqCst);
            let is_idle = waiting || works.iter().all(|work| work.waiting() == 0);
            is_same && is_idle && (self.next_due() == due)
        });
    }
}
