//! Many messages as one operation: where they come from, and how their results are handed out.

use crate::batch::{Batch, Layout, Spans, lay_out};
use crate::buffer::{Pins, is_buffer};
use crate::delivery::Mode;
use crate::error::OrRaise;
use crate::harvest::Harvest;
use crate::loops::running_loop;
use crate::operation::Operation;
use crate::transform::{Asked, DETACH_NS, INLINE_OUTPUT, Transform, extra};
use acrypto_core::alg::{Direction, Kind};
use acrypto_core::buffer::Source;
use acrypto_core::layer::Ask;
use acrypto_core::request::{Short, Unit};
use acrypto_core::status::Status;
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyMemoryView};

/// The messages of a `*_many`.
pub enum Sources<'a, 'py> {
    List(&'a Bound<'py, PyAny>),
    Cut {
        buffer: &'a Bound<'py, PyAny>,
        unit: usize,
    },
    Tagged {
        tags: &'a Bound<'py, PyAny>,
        list: &'a Bound<'py, PyAny>,
    },
    /// With nonces and additional data; one buffer if there is a unit to cut it by.
    Sealed {
        nonces: &'a Bound<'py, PyAny>,
        list: &'a Bound<'py, PyAny>,
        ads: Option<&'a Bound<'py, PyAny>>,
        unit: Option<usize>,
    },
}

impl<'a, 'py> Sources<'a, 'py> {
    pub fn of(data: &'a Bound<'py, PyAny>, unit: Option<usize>) -> Self {
        match unit {
            Some(unit) => Self::Cut { buffer: data, unit },
            None => Self::List(data),
        }
    }
}

/// One buffer as messages of `unit` bytes.
fn cut(
    py: Python<'_>,
    buffer: &Bound<'_, PyAny>,
    unit: usize,
    pins: &mut Pins,
) -> PyResult<impl Iterator<Item = Source>> {
    if unit == 0 {
        return Err(Status::usage("unit is 0 bytes; it must be at least 1")).or_raise(py);
    }
    Ok(pins.units(buffer, unit)?.into_iter())
}

/// A list of messages, or whatever else gives them one by one. One buffer is none: its items would be its bytes.
fn messages<'py>(py: Python<'py>, list: &Bound<'py, PyAny>, has_unit: bool) -> PyResult<Bound<'py, PyIterator>> {
    if is_buffer(list) && PyMemoryView::from(list)?.getattr("ndim")?.extract::<usize>()? == 1 {
        let told = if has_unit {
            "the messages are one buffer; unit tells by how many bytes it is cut, or give a list"
        } else {
            "the messages are one buffer; give a list of them"
        };
        return Err(Status::usage(told)).or_raise(py);
    }
    list.try_iter()
}

/// The nonces of many messages: each an object, or all in one buffer.
enum Nonces<'py> {
    Each(Bound<'py, PyIterator>),
    Cut { bytes: Short, size: usize, left: usize },
}

impl<'py> Nonces<'py> {
    fn of(py: Python<'py>, nonces: &Bound<'py, PyAny>, messages: usize) -> PyResult<Self> {
        if !is_buffer(nonces) {
            return Ok(Self::Each(nonces.try_iter()?));
        }
        let bytes: Short = Pins::short(Some(nonces))?;
        let size = bytes.len().checked_div(messages).unwrap_or(0);
        if size * messages != bytes.len() {
            let told = format!("{} bytes of nonces for {messages} messages; each must have as many", bytes.len());
            return Err(Status::Usage(told)).or_raise(py);
        }
        Ok(Self::Cut { bytes, size, left: messages })
    }

    fn next(&mut self) -> PyResult<Option<Short>> {
        match self {
            Self::Each(nonces) => nonces.next().map(|nonce| Pins::short(Some(&nonce?))).transpose(),
            Self::Cut { left: 0, .. } => Ok(None),
            Self::Cut { bytes, size, left } => {
                let at = bytes.len() - *left * *size;
                *left -= 1;
                Ok(bytes.get(at..at + *size).map(Short::from_slice))
            }
        }
    }
}

impl Transform {
    /// Submits many messages as one operation.
    pub fn start_many<'py>(
        &self,
        py: Python<'py>,
        direction: Direction,
        sources: Sources<'_, 'py>,
        mut asked: Asked<'py>,
    ) -> PyResult<Py<Operation>> {
        self.must_have(py, direction)?;
        let layer = &self.layer.core;
        layer.alive().or_raise(py)?;
        asked.settle(&self.layer);
        let mut max_output = asked.max_output.unwrap_or(self.layer.max_output);
        let mut pins = Pins::default();
        let spans = self.spans(py, &sources, &mut asked)?;
        let mut layout = Layout::of(py, &asked, direction, spans.is_some())?;
        if let (Some(layout), Direction::Decompress) = (&layout, direction) {
            let most = layout.slot().or(asked.unit.filter(|_| spans.is_some()));
            max_output = max_output.min(most.map_or(u64::MAX, |most| most as u64));
        }
        let mut units = match (&spans, &sources) {
            (Some(spans), Sources::List(data) | Sources::Cut { buffer: data, .. }) => match data.cast::<Batch>() {
                Ok(batch) => spans.units(layer, batch.get().buffer(py).bind(py), &mut pins)?,
                Err(_) => spans.units(layer, data, &mut pins)?,
            },
            _ => self.units(py, sources, &mut pins)?,
        };
        // Units are alike in size as a rule: predicting the first and scaling saves a look-up for each.
        let total = units.iter().fold(0usize, |sum, unit| sum.saturating_add(unit.len()));
        let mean = total / units.len().max(1);
        let device = asked.device.as_deref();
        let (priority, client) = (asked.wishes.priority, asked.wishes.client);
        let depth = units.len();
        let chosen = self.choose(py, &Ask { device, priority, client, depth, ..Ask::of(direction, mean) })?;
        // What an engine may keep to itself is done again elsewhere: not in memory that it could still write to.
        let is_direct = !chosen.place.device.engine.may_lose();
        if let (Some(Layout::Packed(_)), true, Some(transform)) = (&layout, is_direct, chosen.place.transform()) {
            layout = Layout::known(&**transform, &units, direction, max_output).or(layout);
        }
        let (harvest, tray) = match &layout {
            None => {
                let (each, return_exceptions) = (self.shape(direction, false), asked.return_exceptions);
                (Harvest::Many { each, return_exceptions, num: units.len() as u32 }, None)
            }
            Some(layout) => {
                let spans = spans.unwrap_or_default();
                let (tray, plan) = lay_out(py, layer, &asked, layout, spans, &mut units, is_direct, &mut pins)?;
                (Harvest::Laid(plan), Some(tray))
            }
        };
        for unit in &units {
            chosen.transform().or_raise(py)?.check(&unit.call(direction, max_output)).or_raise(py)?;
        }
        let predicted = chosen.place.costs.at(depth).predict(direction, mean).saturating_mul(units.len() as u64);
        let event_loop = running_loop(py)?;
        let is_forced =
            chosen.runs_here || (asked.delivery.mode == Mode::Inline && chosen.place.device.engine.runs_inline());
        let is_delivered = matches!(asked.delivery.mode, Mode::Queued | Mode::Inline);
        let is_bounded = direction != Direction::Decompress || max_output <= INLINE_OUTPUT;
        if units.is_empty() || is_forced || (is_delivered && is_bounded && layer.is_inline(&chosen, predicted)) {
            let run = || {
                let mut settled = layer.run_batch(&self.recipe, &chosen, units, direction, max_output);
                settled.laid = tray.and_then(|tray| tray.lay(std::mem::take(&mut settled.units))).map(Box::new);
                settled
            };
            let settled = if predicted > DETACH_NS { py.detach(run) } else { run() };
            let done = Py::new(py, Operation::done_many(py, event_loop.map(Bound::unbind), harvest, settled))?;
            Operation::call_back(done.bind(py), &self.layer.ports, asked.delivery)?;
            return Ok(done);
        }
        let wishes = asked.wishes;
        self.layer.launch(py, event_loop, harvest, pins, asked.delivery, |hold| {
            layer.submit_laid(&self.recipe, &chosen, units, direction, max_output, wishes, tray, hold)
        })
    }

    /// Where the messages lie, if they are results of a batch or were given with their lengths.
    fn spans(&self, py: Python<'_>, sources: &Sources<'_, '_>, asked: &mut Asked<'_>) -> PyResult<Option<Spans>> {
        let (Sources::List(data) | Sources::Cut { buffer: data, .. }) = sources else { return Ok(None) };
        let batch = data.cast::<Batch>().ok().filter(|_| self.recipe.kind == Kind::Compression);
        match (batch, &asked.lengths, &asked.offsets) {
            (None, None, None) => Ok(None),
            (Some(batch), None, None) => {
                asked.unit = asked.unit.or(batch.get().unit());
                batch.get().spans().or_raise(py).map(Some)
            }
            (None, Some(lengths), offsets) => Spans::read(py, lengths, offsets.as_ref()).map(Some),
            (Some(_), ..) => {
                Err(Status::usage("a Batch knows its lengths and offsets; give none beside it")).or_raise(py)
            }
            (None, None, Some(_)) => Err(Status::usage("offsets without lengths")).or_raise(py),
        }
    }

    fn units<'py>(&self, py: Python<'py>, sources: Sources<'_, 'py>, pins: &mut Pins) -> PyResult<Vec<Unit>> {
        let layer = &self.layer.core;
        let mut units = Vec::new();
        match sources {
            Sources::Cut { buffer, unit } => {
                units.extend(cut(py, buffer, unit, pins)?.map(|source| layer.unit(source)));
            }
            Sources::List(list) => {
                for item in messages(py, list, true)? {
                    let source = pins.source(&item?)?;
                    units.push(layer.unit(source));
                }
            }
            Sources::Tagged { tags, list } => {
                let mut tags = tags.try_iter()?;
                for item in messages(py, list, false)? {
                    let source = pins.source(&item?)?;
                    let Some(tag) = tags.next() else {
                        return Err(Status::usage(format!("{} tags for more messages", units.len()))).or_raise(py);
                    };
                    let mut unit = layer.unit(source);
                    unit.extra = extra(Short::new(), Source::default(), Pins::short(Some(&tag?))?);
                    units.push(unit);
                }
                if tags.next().is_some() {
                    return Err(Status::usage(format!("more tags than the {} messages", units.len()))).or_raise(py);
                }
            }
            Sources::Sealed { nonces, list, ads, unit } => {
                match unit {
                    Some(unit) => units.extend(cut(py, list, unit, pins)?.map(|source| layer.unit(source))),
                    None => {
                        for item in messages(py, list, true)? {
                            units.push(layer.unit(pins.source(&item?)?));
                        }
                    }
                }
                let mut ads = ads.map(|ads| ads.try_iter()).transpose()?;
                let num = units.len();
                let mut nonces = Nonces::of(py, nonces, num)?;
                for (index, unit) in units.iter_mut().enumerate() {
                    let Some(nonce) = nonces.next()? else {
                        return Err(Status::usage(format!("{index} nonces for {num} messages"))).or_raise(py);
                    };
                    let ad = match &mut ads {
                        None => Source::default(),
                        Some(ads) => match ads.next() {
                            Some(ad) => pins.source(&ad?)?,
                            None => return Err(Status::usage(format!("{index} ads for {num} messages"))).or_raise(py),
                        },
                    };
                    unit.extra = extra(nonce, ad, Short::new());
                }
                if nonces.next()?.is_some() || ads.is_some_and(|mut ads| ads.next().is_some()) {
                    return Err(Status::usage(format!("more nonces or ads than the {num} messages"))).or_raise(py);
                }
            }
        }
        Ok(units)
    }
}
