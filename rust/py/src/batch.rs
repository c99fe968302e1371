//! Batches whose results lie in one piece of memory: what is asked for, where the messages are, what the caller gets.

use crate::buffer::{Buffer, Numbers, Pins, integers};
use crate::error::{OrRaise, raise};
use crate::transform::Asked;
use acrypto_core::alg::{Direction, Transform as Kind};
use acrypto_core::buffer::{Laid, Tray};
use acrypto_core::layer::Layer;
use acrypto_core::operation::Settled;
use acrypto_core::request::Unit;
use acrypto_core::status::Status;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyMemoryView, PySlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where the messages of a batch lie in one buffer.
#[derive(Default)]
pub struct Spans {
    /// Index, offset, bytes.
    present: Vec<(usize, usize, usize)>,
    /// Units without data, and why.
    failed: Vec<(usize, Status)>,
}

impl Spans {
    /// By lengths, and offsets if the messages do not follow one another. A negative length is a unit without data.
    pub fn read(py: Python<'_>, lengths: &Bound<'_, PyAny>, offsets: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let lengths = integers("lengths", lengths)?;
        let offsets = offsets.map(|offsets| integers("offsets", offsets)).transpose()?;
        if let Some(offsets) = offsets.as_ref().filter(|offsets| offsets.len() != lengths.len()) {
            let told = format!("{} offsets for {} lengths", offsets.len(), lengths.len());
            return Err(Status::Usage(told)).or_raise(py);
        }
        Self::of(&lengths, offsets.as_deref(), &[]).or_raise(py)
    }

    fn of(lengths: &[i64], offsets: Option<&[i64]>, known: &[(usize, Status)]) -> Result<Self, Status> {
        let mut own = Self::default();
        let mut end = 0usize;
        for (index, length) in lengths.iter().enumerate() {
            let Ok(size) = usize::try_from(*length) else {
                let why = known.iter().find(|(at, _)| *at == index).map(|(_, status)| status.clone());
                let told = || Status::usage(format!("unit {index} has no data: its length is {length}"));
                own.failed.push((index, why.unwrap_or_else(told)));
                continue;
            };
            let at = match offsets.and_then(|offsets| offsets.get(index)) {
                None => end,
                Some(at) => usize::try_from(*at)
                    .map_err(|_| Status::usage(format!("unit {index} is at {at}; an offset must be at least 0")))?,
            };
            end = at.saturating_add(size);
            own.present.push((index, at, size));
        }
        Ok(own)
    }

    /// Borrows the messages.
    pub fn units(&self, layer: &Layer, buffer: &Bound<'_, PyAny>, pins: &mut Pins) -> PyResult<Vec<Unit>> {
        Ok(pins.spans(buffer, &self.present)?.into_iter().map(|source| layer.unit(source)).collect())
    }
}

/// What the caller gets of results in one piece of memory.
pub struct Plan {
    into: Option<Py<PyAny>>,
    unit: Option<usize>,
    return_exceptions: bool,
    num: usize,
}

/// How the results are to lie, if the caller wants them in one piece of memory: bytes of a slot, or packed.
pub enum Layout {
    Slots(usize),
    /// Written in slots of so many bytes, if it is known that each fills its own; then one after the other.
    Packed(Option<usize>),
}

impl Layout {
    /// What was asked for. Beside it, the most bytes of one result.
    pub fn of(py: Python<'_>, asked: &Asked<'_>, direction: Direction, has_spans: bool) -> PyResult<Option<Self>> {
        let wrong = |told: String| Err(Status::Usage(told)).or_raise(py);
        if asked.into.is_none() && asked.slot.is_none() && !asked.packed && !has_spans {
            return Ok(None);
        }
        if let (true, Some(slot)) = (asked.packed, asked.slot) {
            return wrong(format!("slot is {slot} and packed is true; results lie in slots or one after the other"));
        }
        // Of digests and ciphers' texts all know how long they are: no slots are needed.
        if asked.packed || !matches!(direction, Direction::Compress | Direction::Decompress) {
            return Ok(Some(Self::Packed(None)));
        }
        // What a source is cut by says nothing of what is in it, if that is compressed.
        let unit = asked.unit.filter(|_| direction != Direction::Decompress || has_spans);
        match asked.slot.or(unit) {
            Some(0) => wrong("slot is 0 bytes; it must be at least 1".into()),
            Some(slot) => Ok(Some(Self::Slots(slot))),
            None if asked.into.is_none() => Ok(Some(Self::Packed(None))),
            None => wrong("into for many results needs slot, the bytes from one to the next, or packed=True".into()),
        }
    }

    /// Where the sizes of all results are known, those that follow one another have places of their own, too.
    pub fn known(transform: &dyn Kind, units: &[Unit], direction: Direction, max_output: u64) -> Option<Self> {
        let size = |unit: &Unit| transform.capacity(&unit.call(direction, max_output));
        let first = units.first().filter(|_| transform.knows_sizes()).map(size).filter(|size| *size > 0)?;
        let is_fixed = match direction {
            Direction::Digest | Direction::Mac => true,
            Direction::Encrypt | Direction::Decrypt => {
                let (last, others) = units.split_last()?;
                others.iter().all(|unit| size(unit) == first) && size(last) <= first
            }
            _ => false,
        };
        is_fixed.then_some(Self::Packed(Some(first)))
    }

    pub fn slot(&self) -> Option<usize> {
        match self {
            Self::Slots(slot) => Some(*slot),
            Self::Packed(slot) => *slot,
        }
    }
}

/// Memory for the results of `units`, each of which gets its slot to write to if its engine gives everything back.
#[allow(clippy::too_many_arguments)] // what a batch is made of
pub fn lay_out(
    py: Python<'_>,
    layer: &Layer,
    asked: &Asked<'_>,
    layout: &Layout,
    spans: Spans,
    units: &mut [Unit],
    is_direct: bool,
    pins: &mut Pins,
) -> PyResult<(Arc<Tray>, Box<Plan>)> {
    let num = units.len() + spans.failed.len();
    let slot = layout.slot();
    let into = asked.into.as_ref();
    let is_packed = matches!(layout, Layout::Packed(_));
    let tray = pins.tray(py, into, &layer.pool, num, slot, is_packed, units.iter().map(|unit| &unit.source))?;
    if slot.is_some() && is_direct {
        let mut failed = spans.failed.iter().map(|(index, _)| *index).peekable();
        let present = (0..num).filter(|index| failed.next_if_eq(index).is_none());
        for (unit, output) in units.iter_mut().zip(pins.slots(&tray, present).unwrap_or_default()) {
            unit.output = output;
        }
    }
    tray.fail(spans.failed);
    let into = into.map(|into| into.clone().unbind());
    let plan = Plan { into, unit: asked.unit, return_exceptions: asked.return_exceptions, num };
    Ok((tray, Box::new(plan)))
}

/// What came of it, as Python sees it.
pub fn harvest(py: Python<'_>, plan: &Plan, settled: Settled) -> PyResult<Py<PyAny>> {
    let (lengths, offsets, errors, memory) = match settled.laid {
        Some(laid) => {
            let Laid { tray, lengths, offsets, errors, end } = *laid;
            (lengths, offsets, errors, Some((tray, end)))
        }
        None => {
            // Lost or abandoned as a whole: the one failure is every unit's.
            let lost = || Status::Internal("a completion without a result".into());
            let status = settled.units.into_iter().find_map(Result::err).unwrap_or_else(lost);
            let errors = (0..plan.num).map(|index| (index, status.clone())).collect();
            (vec![-i64::from(status.errno()); plan.num], vec![0; plan.num], errors, None)
        }
    };
    if let Some((_, status)) = errors.first().filter(|_| !plan.return_exceptions) {
        return Err(raise(py, status));
    }
    let end = memory.as_ref().map_or(0, |(_, end)| *end);
    let buffer = match (&plan.into, memory) {
        (Some(into), _) => into.clone_ref(py),
        (None, Some((tray, end))) => Py::new(py, Buffer::laid(tray, end))?.into_any(),
        (None, None) => pyo3::types::PyBytes::new(py, b"").unbind().into_any(),
    };
    let (lengths, offsets) = (Py::new(py, Numbers::new(lengths))?, Py::new(py, Numbers::new(offsets))?);
    let batch = Batch { buffer, lengths, offsets, errors, raised: PyOnceLock::new(), unit: plan.unit, end };
    Ok(Py::new(py, batch)?.into_any())
}

/// Results in one piece of memory: lengths, offsets and errors by unit. Immutable; any thread may read it.
#[pyclass(frozen, module = "acrypto", name = "Batch")]
pub struct Batch {
    buffer: Py<PyAny>,
    lengths: Py<Numbers>,
    offsets: Py<Numbers>,
    errors: Vec<(usize, Status)>,
    raised: PyOnceLock<Py<PyDict>>,
    unit: Option<usize>,
    end: usize,
}

impl Batch {
    /// Its results as messages.
    pub fn spans(&self) -> Result<Spans, Status> {
        Spans::of(self.lengths.get().values(), Some(self.offsets.get().values()), &self.errors)
    }

    /// All of the memory as bytes.
    fn memory<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let view = PyMemoryView::from(self.buffer.bind(py))?.into_any();
        let is_flat = view.getattr("ndim")?.extract::<usize>()? == 1 && view.getattr("format")?.eq("B")?;
        if is_flat { Ok(view) } else { view.call_method1("cast", ("B",)) }
    }
}

#[pymethods]
impl Batch {
    /// The memory that the results lie in: the `into` that was given, or a `Buffer` of what the last result ends.
    #[getter]
    pub fn buffer(&self, py: Python<'_>) -> Py<PyAny> {
        self.buffer.clone_ref(py)
    }

    /// Bytes of each result, or a negative errno for a unit that failed: a memoryview of 64-bit integers.
    #[getter]
    fn lengths<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(self.lengths.bind(py).as_any())
    }

    /// Where in the memory each result begins: a memoryview of 64-bit integers.
    #[getter]
    fn offsets<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyMemoryView>> {
        PyMemoryView::from(self.offsets.bind(py).as_any())
    }

    /// The units that failed: their exceptions by index. Empty if all is well.
    #[getter]
    fn errors(&self, py: Python<'_>) -> PyResult<Py<PyDict>> {
        let raised = self.raised.get_or_try_init(py, || -> PyResult<_> {
            let raised = PyDict::new(py);
            for (index, status) in &self.errors {
                raised.set_item(index, raise(py, status).into_value(py))?;
            }
            Ok(raised.unbind())
        })?;
        Ok(raised.clone_ref(py))
    }

    /// Bytes of each unit that the source was cut into, or None.
    #[getter]
    pub fn unit(&self) -> Option<usize> {
        self.unit
    }

    /// Where in the memory the last result ends.
    #[getter]
    fn nbytes(&self) -> usize {
        self.end
    }

    fn __len__(&self) -> usize {
        self.lengths.get().values().len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, index: isize) -> PyResult<Bound<'py, PyAny>> {
        let (lengths, offsets) = (self.lengths.get().values(), self.offsets.get().values());
        let at = usize::try_from(if index < 0 { index + lengths.len() as isize } else { index }).ok();
        let of = |values: &[i64]| at.and_then(|at| values.get(at).copied());
        let (Some(length), Some(offset)) = (of(lengths), of(offsets)) else {
            return Err(PyIndexError::new_err(format!("unit {index} of {}", lengths.len())));
        };
        if let Some((_, status)) = self.errors.iter().find(|(failed, _)| Some(*failed) == at) {
            return Err(raise(py, status));
        }
        let (from, to) = (offset as isize, (offset + length) as isize);
        self.memory(py)?.get_item(PySlice::new(py, from, to, 1))
    }

    fn __iter__(slf: Py<Self>) -> BatchIterator {
        BatchIterator { batch: slf, next: AtomicUsize::new(0) }
    }

    fn __repr__(&self) -> String {
        let (num, failed) = (self.lengths.get().values().len(), self.errors.len());
        format!("<acrypto.Batch of {num} units, {} bytes, {failed} failed>", self.end)
    }
}

/// The results of a batch in order; raises what a unit failed with.
#[pyclass(frozen, module = "acrypto._core")]
pub struct BatchIterator {
    batch: Py<Batch>,
    next: AtomicUsize,
}

#[pymethods]
impl BatchIterator {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let batch = self.batch.get();
        let at = self.next.fetch_add(1, Ordering::Relaxed);
        if at >= batch.__len__() { Ok(None) } else { batch.__getitem__(py, at as isize).map(Some) }
    }
}
