//! The portal of a real work queue: a page of its character device, and the two instructions that store there.

use crate::sync::lock_std as lock;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const PAGE: usize = 4096;
const SLOT: usize = 64;

/// See the head of this file. Shareable between threads.
pub struct DevicePortal {
    start: *mut u8,
    is_open: AtomicBool,
    /// As the kernel's driver does it: each store goes to the next 64 bytes of the page, so that none waits for another.
    next: AtomicUsize,
    file: Mutex<Option<File>>,
}

// SAFETY: the page is only written, by instructions that write 64 bytes of it at once.
unsafe impl Send for DevicePortal {}
// SAFETY: as above.
unsafe impl Sync for DevicePortal {}

impl DevicePortal {
    /// Opens `/dev/iax/wq1.0` and maps its portal.
    ///
    /// # Errors
    /// Whatever the kernel says: no permission, or a dedicated queue that another process has.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        // SAFETY: asks for fresh addresses over a page of the device; no pointer of ours is passed.
        let start = unsafe { libc::mmap(null_mut(), PAGE, libc::PROT_WRITE, flags, file.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let (is_open, next, file) = (AtomicBool::new(true), AtomicUsize::new(0), Mutex::new(Some(file)));
        Ok(Self { start: start.cast(), is_open, next, file })
    }

    fn place(&self) -> Option<*mut u8> {
        let slot = self.next.fetch_add(1, Ordering::Relaxed) % (PAGE / SLOT);
        // SAFETY: inside of the page, which stays mapped while this lives.
        self.is_open().then(|| unsafe { self.start.add(slot * SLOT) })
    }

    /// MOVDIR64B: nobody answers. False if it is closed, or the CPU lacks the instruction.
    pub fn store(&self, words: &[u64; 8]) -> bool {
        let Some(to) = self.place().filter(|_| super::portal::has_direct_store()) else { return false };
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the CPU has the instruction; `to` is 64 bytes of the device's page.
        unsafe {
            super::portal::store_direct(to, words);
        }
        let _ = (to, words);
        true
    }

    /// ENQCMD: the device answers. False if it had no room, if it is closed, or the CPU lacks the instruction.
    pub fn enqueue(&self, words: &[u64; 8]) -> bool {
        let Some(to) = self.place().filter(|_| has_enqueue()) else { return false };
        #[cfg(target_arch = "x86_64")]
        {
            let retry: u8;
            // SAFETY: as in `store`; ENQCMD (F2 0F 38 F8 /r) sets the zero flag if the device said "retry". Written as
            // bytes, since not every assembler knows it: the destination is in RAX, the source in RDX.
            unsafe {
                std::arch::asm!("sfence", ".byte 0xf2, 0x0f, 0x38, 0xf8, 0x02", "setz {retry}",
                    in("rax") to, in("rdx") words.as_ptr(), retry = out(reg_byte) retry, options(nostack));
            }
            retry == 0
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = (to, words);
            false
        }
    }

    /// Closes the device, which makes the kernel stop what this process has under way in the queue, and wait until it has.
    /// A thread that is just about to store does so into ordinary memory, which takes the portal's place.
    pub fn close(&self) {
        let mut file = lock(&self.file);
        if self.is_open.swap(false, Ordering::AcqRel) {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
            // SAFETY: over our own mapping, and nothing else.
            unsafe { libc::mmap(self.start.cast(), PAGE, libc::PROT_WRITE, flags, -1, 0) };
            drop(file.take());
        }
    }

    pub fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Acquire)
    }
}

impl Drop for DevicePortal {
    fn drop(&mut self) {
        self.close();
        // SAFETY: mapped by `open`, and nobody has a reference to it any more.
        unsafe { libc::munmap(self.start.cast(), PAGE) };
    }
}

/// Whether the CPU has ENQCMD and says so to programs.
pub fn has_enqueue() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__cpuid, __cpuid_count};
        __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ecx >> 29 & 1 == 1
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_device_is_refused() {
        assert!(DevicePortal::open(Path::new("/dev/iax/no-such-queue")).is_err());
        // It opens, but has no page to map.
        assert!(DevicePortal::open(Path::new("/dev/null")).is_err());
    }
}
