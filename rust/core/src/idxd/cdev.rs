//! A real work queue, through the character device that the kernel gives to programs.
//!
//! Addresses are the process's own: the kernel binds the queue to its address space, and the IOMMU walks its page
//! tables. So nothing is mapped, and nothing protects memory that is let go of too early: [`HardwareQueue::forsake`]
//! closes the device if a descriptor does not come back, which makes the kernel stop all that this process has in the
//! queue. There are no interrupts for programs: completions are polled for.

use super::port::{Mapped, Mode, Queue, QueueInfo};
use super::wire::Descriptor;
use crate::ffi::cdev::{DevicePortal, has_enqueue};
use crate::ffi::portal::has_direct_store;
use std::io;
use std::path::Path;

/// See the head of this file. Shareable between threads.
pub struct HardwareQueue {
    info: QueueInfo,
    portal: DevicePortal,
}

impl HardwareQueue {
    /// Opens a queue that was found under the system's own tree, and is as `info` says.
    ///
    /// # Errors
    /// Whatever the kernel says, or that the CPU cannot submit to such a queue.
    pub fn open(path: &Path, info: QueueInfo) -> io::Result<Self> {
        let lacks = match info.mode {
            Mode::Dedicated if !has_direct_store() => Some("MOVDIR64B"),
            Mode::Shared if !has_enqueue() => Some("ENQCMD"),
            _ => None,
        };
        if let Some(instruction) = lacks {
            let what = format!("the CPU has no {instruction}, which this queue needs");
            return Err(io::Error::new(io::ErrorKind::Unsupported, what));
        }
        Ok(Self { info, portal: DevicePortal::open(path)? })
    }
}

impl Queue for HardwareQueue {
    fn info(&self) -> &QueueInfo {
        &self.info
    }

    fn store(&self, descriptor: &Descriptor) {
        self.portal.store(&descriptor.to_words());
    }

    fn enqueue(&self, descriptor: &Descriptor) -> bool {
        self.portal.enqueue(&descriptor.to_words())
    }

    #[allow(unsafe_code)]
    unsafe fn map(&self, start: *mut u8, _len: usize, _writable: bool) -> Option<Mapped> {
        Some(Mapped::Shared(start as u64))
    }

    fn forsake(&self) {
        self.portal.close();
    }

    fn is_alive(&self) -> bool {
        self.portal.is_open()
    }
}
