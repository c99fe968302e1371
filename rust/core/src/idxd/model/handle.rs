//! An enabled queue, as its driver holds it.

use super::board::Board;
use super::group::Group;
use super::work::Work;
use crate::idxd::port::{Mapped, Mode, Queue, QueueInfo};
use crate::idxd::wire::Descriptor;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) struct Handle {
    pub work: Arc<Work>,
    pub board: Arc<Board>,
}

impl Handle {
    /// False if there is no room, or no device.
    #[inline]
    fn post(&self, descriptor: &Descriptor) -> bool {
        if !self.work.is_open() || !self.board.is_ours() {
            return false;
        }
        let now = self.board.knobs.is_timed().then(|| self.board.clock.now());
        let is_stored = self.work.post(descriptor.to_words(), now);
        if is_stored {
            self.board.bell.ring_for_store(|| self.work.waiting());
        }
        is_stored
    }

    fn group(&self) -> Option<&Group> {
        self.board.groups.get(self.work.config.group)
    }
}

impl Queue for Handle {
    fn info(&self) -> &QueueInfo {
        &self.work.info
    }

    fn store(&self, descriptor: &Descriptor) {
        if self.work.config.mode != Mode::Dedicated || !self.post(descriptor) {
            self.work.count_lost();
        }
    }

    fn enqueue(&self, descriptor: &Descriptor) -> bool {
        let is_stored = self.work.config.mode == Mode::Shared && self.post(descriptor);
        if !is_stored {
            self.work.count_retry();
        }
        is_stored
    }

    #[allow(unsafe_code)]
    unsafe fn map(&self, start: *mut u8, len: usize, writable: bool) -> Option<Mapped> {
        // SAFETY: the caller promises what the IOMMU asks for.
        unsafe { self.board.iommu.map(start, len, writable) }.ok().map(Mapped::Through)
    }

    fn help(&self) -> bool {
        let Some(group) = self.group().filter(|_| self.board.is_ours()) else { return false };
        if !self.board.serve_one(group) {
            return false;
        }
        self.board.bell.note_help(self.work.waiting() == 0);
        true
    }

    fn interrupt(&self) -> Option<RawFd> {
        Some(self.work.interrupt.fd())
    }

    fn deaths(&self) -> u64 {
        self.board.deaths.load(Ordering::Acquire)
    }

    fn is_alive(&self) -> bool {
        self.work.is_enabled() && !self.board.is_halted.load(Ordering::Acquire) && self.board.is_ours()
    }
}
