//! Transforms: an algorithm with its parameters and key, and every operation that it has.

use crate::batch::{Batch, Layout, Spans, lay_out};
use crate::buffer::Pins;
use crate::convert::{deadline, number};
use crate::delivery::{Delivery, Mode};
use crate::error::OrRaise;
use crate::harvest::{Harvest, Shape};
use crate::layer::Shared;
use crate::operation::Operation;
use crate::port::running_loop;
use acrypto_core::alg::{Direction, Kind};
use acrypto_core::buffer::Source;
use acrypto_core::layer::{Ask, Bound as Recipe, Chosen, Wishes};
use acrypto_core::request::{Extra, Unit};
use acrypto_core::status::Status;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::sync::Arc;

/// Work predicted below this holds the GIL: giving it away and getting it back costs more than it saves others.
const DETACH_NS: u64 = 5_000;

/// Random bytes are given as `bytes`, copied with the GIL held, so one call must not ask for too many.
pub const MAX_RANDOM: u64 = 1 << 20;

/// Output that a decompression may give on the caller's thread: its source does not tell what it will cost.
pub const INLINE_OUTPUT: u64 = 64 << 10;

/// One message's arguments.
pub struct Message<'a, 'py> {
    pub direction: Direction,
    pub source: &'a Bound<'py, PyAny>,
    pub nonce: Option<&'a Bound<'py, PyAny>>,
    pub ad: Option<&'a Bound<'py, PyAny>>,
    pub tag: Option<&'a Bound<'py, PyAny>>,
}

/// What the caller asks for beside the message, by name.
#[derive(Default)]
pub struct Asked<'py> {
    pub into: Option<Bound<'py, PyAny>>,
    pub max_output: Option<u64>,
    pub unit: Option<usize>,
    /// Of results in one piece of memory: bytes from one to the next, or one after the other.
    pub slot: Option<usize>,
    pub packed: bool,
    lengths: Option<Bound<'py, PyAny>>,
    offsets: Option<Bound<'py, PyAny>>,
    pub return_exceptions: bool,
    pub device: Option<String>,
    client: Option<String>,
    pub wishes: Wishes,
    pub delivery: Delivery,
}

impl<'py> Asked<'py> {
    /// Reads the options that are in `known`; any other is a TypeError, as for every Python function.
    pub fn read(
        py: Python<'py>,
        options: Option<&Bound<'py, PyDict>>,
        known: &[&str],
        must_not_wait: bool,
    ) -> PyResult<Self> {
        let mut asked = Self { wishes: Wishes { must_not_wait, ..Wishes::default() }, ..Self::default() };
        let Some(options) = options else { return Ok(asked) };
        for (name, value) in options.iter() {
            let name = name.cast::<PyString>()?.to_cow()?;
            let is_common = matches!(&*name, "priority" | "deadline" | "device" | "client" | "mode" | "callback");
            if !is_common && !known.contains(&&*name) {
                return Err(PyTypeError::new_err(format!("got an unexpected keyword argument '{name}'")));
            }
            if value.is_none() {
                continue;
            }
            match &*name {
                "priority" => asked.wishes.priority = number(&name, &value, "-2^31 to 2^31 - 1")?,
                "deadline" => asked.wishes.deadline = deadline(py, Some(value.extract()?))?,
                "device" => asked.device = Some(value.extract()?),
                "client" => asked.client = Some(value.extract()?),
                "mode" => asked.delivery.mode = Mode::parse(&value.extract::<String>()?).or_raise(py)?,
                "callback" => asked.delivery.callback = Some(function(&name, value)?),
                "then" => asked.delivery.then = Some(function(&name, value)?),
                "into" => asked.into = Some(value),
                "max_output" => asked.max_output = Some(number(&name, &value, "0 to 2^64 - 1")?),
                "unit" => asked.unit = Some(number(&name, &value, "1 to 2^63")?),
                "slot" => asked.slot = Some(number(&name, &value, "1 to 2^63")?),
                "packed" => asked.packed = value.is_truthy()?,
                "lengths" => asked.lengths = Some(value),
                "offsets" => asked.offsets = Some(value),
                _ => asked.return_exceptions = value.is_truthy()?,
            }
        }
        asked.wishes.is_bound = asked.device.is_some();
        Ok(asked)
    }

    /// Finds the number of the client that was named.
    pub fn settle(&mut self, layer: &Shared) {
        if let Some(name) = &self.client {
            self.wishes.client = layer.client(name);
        }
    }
}

/// A function to be called, refused at once if it is none.
fn function(name: &str, value: Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
    if !value.is_callable() {
        return Err(Status::usage(format!("{name} is a {}; it must be callable", value.get_type().name()?)))
            .or_raise(value.py());
    }
    Ok(value.unbind())
}

/// Direction, device, driver, lane, predicted nanoseconds, reason.
pub type ExplanationRow = (String, String, String, String, u64, String);

/// Keyed, reusable, bound to no device. Shareable between threads; holds no state between operations.
#[pyclass(frozen, module = "acrypto")]
pub struct Transform {
    pub layer: Arc<Shared>,
    pub recipe: Arc<Recipe>,
}

impl<'a, 'py> Message<'a, 'py> {
    pub fn of(direction: Direction, source: &'a Bound<'py, PyAny>) -> Self {
        Self { direction, source, nonce: None, ad: None, tag: None }
    }
}

impl<'a, 'py> Sources<'a, 'py> {
    pub fn of(data: &'a Bound<'py, PyAny>, unit: Option<usize>) -> Self {
        match unit {
            Some(unit) => Self::Cut { buffer: data, unit },
            None => Self::List(data),
        }
    }
}

pub fn extra(nonce: Vec<u8>, ad: Source, tag: Vec<u8>) -> Option<Box<Extra>> {
    (!nonce.is_empty() || !ad.is_empty() || !tag.is_empty()).then(|| Box::new(Extra::new(nonce, ad, tag)))
}

impl Transform {
    fn shape(&self, direction: Direction, into: bool) -> Shape {
        use Direction::*;
        match direction {
            Verify => Shape::Nothing,
            _ if into => Shape::Count,
            Compress | Decompress | Encrypt | Decrypt => Shape::Buffer,
            Digest | Mac | Sign | Agree | Generate => Shape::Bytes,
        }
    }

    fn must_have(&self, py: Python<'_>, direction: Direction) -> PyResult<()> {
        let (name, kind) = (&self.recipe.name, self.recipe.kind);
        if kind.directions().contains(&direction) {
            return Ok(());
        }
        let kind = kind.name();
        Err(Status::usage(format!("{name} is a {kind}: it has no {}", direction.name()))).or_raise(py)
    }

    /// Where it goes. What was not met yet is compiled without the GIL, for that may have to wait.
    fn choose(&self, py: Python<'_>, ask: &Ask<'_>) -> PyResult<Chosen> {
        let core = &self.layer.core;
        if let Some(chosen) = core.choose_met(&self.recipe, ask) {
            return chosen.or_raise(py);
        }
        py.detach(|| core.choose(&self.recipe, ask)).or_raise(py)
    }

    /// Submits one message.
    pub fn start<'py>(
        &self,
        py: Python<'py>,
        message: &Message<'_, 'py>,
        mut asked: Asked<'py>,
    ) -> PyResult<Py<Operation>> {
        let direction = message.direction;
        self.must_have(py, direction)?;
        let layer = &self.layer.core;
        layer.alive().or_raise(py)?;
        asked.settle(&self.layer);
        let max_output = asked.max_output.unwrap_or(self.layer.max_output);
        let mut pins = Pins::default();
        let source = pins.source(message.source)?;
        let ad = message.ad.map(|ad| pins.source(ad)).transpose()?.unwrap_or_default();
        let output = match &asked.into {
            None => layer.output(),
            Some(into) => pins.output(into, &layer.pool, &[&source, &ad])?,
        };
        let extra = extra(Pins::short(message.nonce)?, ad, Pins::short(message.tag)?);
        let mut unit = Unit { source, extra, output };
        let bytes = acrypto_core::request::cost_bytes(&unit, direction, max_output);
        let (priority, client) = (asked.wishes.priority, asked.wishes.client);
        let device = asked.device.as_deref();
        let chosen = self.choose(py, &Ask { priority, client, device, ..Ask::of(direction, bytes) })?;
        chosen.transform().or_raise(py)?.check(&unit.call(direction, max_output)).or_raise(py)?;
        let shape = self.shape(direction, asked.into.is_some());
        let predicted = chosen.place.costs.predict(direction, bytes);
        let event_loop = running_loop(py)?;
        let is_forced =
            chosen.runs_here || (asked.delivery.mode == Mode::Inline && chosen.place.device.engine.runs_inline());
        let is_delivered = matches!(asked.delivery.mode, Mode::Queued | Mode::Inline);
        if is_forced || (is_delivered && layer.is_inline(&chosen, predicted)) {
            let inflates = direction == Direction::Decompress && !is_forced;
            let limit = if inflates { max_output.min(INLINE_OUTPUT) } else { max_output };
            let mut run = || layer.run_inline(&self.recipe, &chosen, &mut unit, direction, limit, max_output);
            let ended = if inflates || predicted > DETACH_NS { py.detach(run) } else { run() };
            // One that turns out to be large after all goes the long way, from the start; one that its device failed, too.
            if let Some((outcome, completion)) = ended.filter(|(outcome, _)| !layer.goes_on(outcome, &asked.wishes)) {
                let result = outcome.map(|facts| (unit.output, facts));
                let event_loop = event_loop.map(Bound::unbind);
                let done = Py::new(py, Operation::done_one(py, event_loop, shape, result, completion))?;
                Operation::call_back(done.bind(py), &self.layer.ports, asked.delivery)?;
                return Ok(done);
            }
        }
        let wishes = asked.wishes;
        self.layer.launch(py, event_loop, Harvest::One(shape), pins, asked.delivery, |hold| {
            layer.submit(&self.recipe, &chosen, unit, direction, max_output, wishes, hold)
        })
    }

    /// Random bytes.
    pub fn generate(&self, py: Python<'_>, nbytes: u64, device: Option<&str>) -> PyResult<Py<Operation>> {
        if nbytes > MAX_RANDOM {
            let message = format!("{nbytes} random bytes at once; at most {MAX_RANDOM} are given");
            return Err(Status::Usage(message)).or_raise(py);
        }
        let asked = Asked { max_output: Some(nbytes), device: device.map(String::from), ..Asked::default() };
        let nothing = PyBytes::new(py, b"");
        self.start(py, &Message::of(Direction::Generate, &nothing), asked)
    }

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
        let layout = Layout::of(py, &asked, direction, spans.is_some())?;
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
        let chosen = self.choose(py, &Ask { device, priority, client, ..Ask::of(direction, mean) })?;
        let (harvest, tray) = match &layout {
            None => {
                let (each, return_exceptions) = (self.shape(direction, false), asked.return_exceptions);
                (Harvest::Many { each, return_exceptions, num: units.len() as u32 }, None)
            }
            Some(layout) => {
                // What an engine may keep to itself is done again elsewhere: not in memory that it could still write to.
                let is_direct = !chosen.place.device.engine.may_lose();
                let spans = spans.unwrap_or_default();
                let (tray, plan) = lay_out(py, layer, &asked, layout, spans, &mut units, is_direct, &mut pins)?;
                (Harvest::Laid(plan), Some(tray))
            }
        };
        for unit in &units {
            chosen.transform().or_raise(py)?.check(&unit.call(direction, max_output)).or_raise(py)?;
        }
        let predicted = chosen.place.costs.predict(direction, mean).saturating_mul(units.len() as u64);
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
                if unit == 0 {
                    return Err(Status::usage("unit is 0 bytes; it must be at least 1")).or_raise(py);
                }
                units.extend(pins.units(buffer, unit)?.into_iter().map(|source| layer.unit(source)));
            }
            Sources::List(list) => {
                for item in list.try_iter()? {
                    let source = pins.source(&item?)?;
                    units.push(layer.unit(source));
                }
            }
            Sources::Sealed { nonces, list, ads } => {
                let mut nonces = nonces.try_iter()?;
                let mut ads = ads.map(|ads| ads.try_iter()).transpose()?;
                for item in list.try_iter()? {
                    let source = pins.source(&item?)?;
                    let Some(nonce) = nonces.next() else {
                        return Err(Status::usage(format!("{} nonces for more messages", units.len()))).or_raise(py);
                    };
                    let ad = match &mut ads {
                        None => Source::default(),
                        Some(ads) => match ads.next() {
                            Some(ad) => pins.source(&ad?)?,
                            None => {
                                return Err(Status::usage(format!("{} ads for more messages", units.len())))
                                    .or_raise(py);
                            }
                        },
                    };
                    let mut unit = layer.unit(source);
                    unit.extra = extra(Pins::short(Some(&nonce?))?, ad, Vec::new());
                    units.push(unit);
                }
                if nonces.next().is_some() || ads.is_some_and(|mut ads| ads.next().is_some()) {
                    return Err(Status::usage(format!("more nonces or ads than the {} messages", units.len())))
                        .or_raise(py);
                }
            }
        }
        Ok(units)
    }
}

/// The messages of a `*_many`.
pub enum Sources<'a, 'py> {
    List(&'a Bound<'py, PyAny>),
    Cut { buffer: &'a Bound<'py, PyAny>, unit: usize },
    Sealed { nonces: &'a Bound<'py, PyAny>, list: &'a Bound<'py, PyAny>, ads: Option<&'a Bound<'py, PyAny>> },
}
