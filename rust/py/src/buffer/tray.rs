//! Memory for the results of a batch, and spans of one buffer as its messages.

use super::{Pin, Pins, View, explain, refuse_overlap};
use crate::error::OrRaise;
use acrypto_core::buffer::{Output, Pool, Source, Tray};
use acrypto_core::status::Status;
use pyo3::ffi;
use pyo3::prelude::*;
use std::sync::Arc;

impl Pins {
    /// Memory for `num` results, in slots or packed: the caller's, if there is some, else the pool's.
    #[allow(clippy::too_many_arguments)] // what a batch's memory is made of
    pub fn tray<'a>(
        &mut self,
        py: Python<'_>,
        into: Option<&Bound<'_, PyAny>>,
        pool: &Arc<Pool>,
        num: usize,
        slot: Option<usize>,
        is_packed: bool,
        sources: impl Iterator<Item = &'a Source>,
    ) -> PyResult<Arc<Tray>> {
        let tray = match into {
            None => Tray::pooled(pool, num, slot).or_raise(py)?,
            Some(into) => {
                let view = View::get(into, ffi::PyBUF_WRITABLE).map_err(|error| explain(into, error))?;
                let (start, capacity) = (view.start(), view.len());
                if let (Some(slot), Some(last)) = (slot, num.checked_sub(1)) {
                    let least = last.saturating_mul(slot).saturating_add(1);
                    if capacity < least {
                        let told =
                            format!("into has {capacity} bytes; {num} slots of {slot} bytes need at least {least}");
                        return Err(Status::Usage(told)).or_raise(py);
                    }
                }
                refuse_overlap(start, capacity, sources)?;
                self.hold(Pin::View(view));
                // SAFETY: the export is held by `self` until the operation is released; it is writable and overlaps no
                // source.
                unsafe { Tray::fixed(pool, start, capacity, num, slot) }
            }
        };
        let tray = Arc::new(if is_packed { tray.packed() } else { tray });
        self.hold(Pin::Tray(Arc::clone(&tray)));
        Ok(tray)
    }

    /// The slots of a tray that these pins hold, as outputs. To be called once.
    pub fn slots(&self, tray: &Arc<Tray>, indices: impl Iterator<Item = usize>) -> Option<Vec<Output>> {
        // SAFETY: the tray is held by `self` until the operation is released, which is after all outputs are gone; each
        // index comes once.
        indices.map(|index| unsafe { tray.output(index) }).collect()
    }

    /// Borrows one buffer and takes messages out of it: where each begins, and its bytes.
    pub fn spans(&mut self, object: &Bound<'_, PyAny>, spans: &[(usize, usize, usize)]) -> PyResult<Vec<Source>> {
        let (start, len) = self.pin(object)?;
        let cut = |&(index, at, size): &(usize, usize, usize)| match at.checked_add(size) {
            // SAFETY: the sum stays inside the pinned memory.
            Some(end) if end <= len => Ok(unsafe { Source::borrowed(&[(start.add(at), size)]) }),
            _ => Err(Status::usage(format!("unit {index} has {size} bytes at {at}; the buffer has {len} bytes"))),
        };
        spans.iter().map(cut).collect::<Result<_, _>>().or_raise(object.py())
    }
}
