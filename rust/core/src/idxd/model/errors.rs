//! The software error register: what could not be told in a completion record.

use crate::idxd::wire::Descriptor;
use crate::sync::lock_std as lock;
use std::sync::Mutex;

/// An error that nobody had a place for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoftwareError {
    /// As a completion record's status.
    pub code: u8,
    pub queue_id: u32,
    pub opcode: u8,
    /// The address that was at fault, or 0.
    pub address: u64,
    /// Others came before it was read, and are lost.
    pub has_overflowed: bool,
}

/// Holds the first error until it is read.
#[derive(Default)]
pub(super) struct Register(Mutex<Option<SoftwareError>>);

impl Register {
    pub fn set(&self, code: u8, queue_id: u32, descriptor: &Descriptor, address: u64) {
        let mut held = lock(&self.0);
        match held.as_mut() {
            Some(first) => first.has_overflowed = true,
            None => {
                let opcode = descriptor.opcode();
                *held = Some(SoftwareError { code, queue_id, opcode, address, has_overflowed: false });
            }
        }
    }

    pub fn take(&self) -> Option<SoftwareError> {
        lock(&self.0).take()
    }
}
