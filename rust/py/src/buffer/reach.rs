//! Memory of Python's that a device may reach.

use super::{Pin, View, explain};
use crate::error::OrRaise;
use acrypto_core::idxd::port::{Mapped, Queue};
use acrypto_core::status::Status;
use pyo3::ffi;
use pyo3::prelude::*;

/// A buffer that is mapped for a device, and kept in place until it is unmapped.
pub struct Reached {
    /// Goes first: unmapping waits until the device is not at it.
    mapped: Mapped,
    _pin: Pin,
    len: usize,
}

impl Reached {
    /// Maps a buffer through a queue, writable or not.
    pub fn new(object: &Bound<'_, PyAny>, queue: &dyn Queue, writable: bool) -> PyResult<Self> {
        let flags = if writable { ffi::PyBUF_WRITABLE } else { ffi::PyBUF_SIMPLE };
        let view = View::get(object, flags).map_err(|error| explain(object, error))?;
        let len = view.len();
        // SAFETY: the export keeps the memory valid until `_pin` is dropped, which is after `mapped`. That nobody else
        // touches what a device writes is the contract told in the head of `buffer`.
        let mapped = unsafe { queue.map(view.start(), len, writable) };
        let full = || Status::usage(format!("cannot map {len} bytes more: too many mappings, or too long for one"));
        Ok(Self { mapped: mapped.ok_or_else(full).or_raise(object.py())?, _pin: Pin::View(view), len })
    }

    pub fn addr(&self) -> u64 {
        self.mapped.addr()
    }

    pub fn len(&self) -> usize {
        self.len
    }
}
