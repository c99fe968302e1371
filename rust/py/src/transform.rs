//! Transforms: an algorithm with its parameters and key, and every operation that it has.

use crate::buffer::Pins;
use crate::convert::{deadline, number};
use crate::delivery::{Delivery, Mode};
use crate::error::OrRaise;
use crate::gather::{TURN_NS, count_submitted, remember, same_as_last};
use crate::harvest::{Harvest, Shape};
use crate::layer::Shared;
use crate::loops::running_loop;
use crate::operation::Operation;
use acrypto_core::alg::Direction;
use acrypto_core::buffer::Source;
use acrypto_core::cost::Company as Kinds;
use acrypto_core::layer::{Ask, Bound as Recipe, Chosen, Gathered, Wishes};
use acrypto_core::request::{Extra, Short, Unit};
use acrypto_core::status::Status;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::sync::Arc;

/// Work predicted below this holds the GIL: giving it away and getting it back costs more than it saves others.
pub const DETACH_NS: u64 = 5_000;

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
    pub lengths: Option<Bound<'py, PyAny>>,
    pub offsets: Option<Bound<'py, PyAny>>,
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

pub fn extra(nonce: Short, ad: Source, tag: Short) -> Option<Box<Extra>> {
    (!nonce.is_empty() || !ad.is_empty() || !tag.is_empty()).then(|| Box::new(Extra::new(nonce, ad, tag)))
}

impl Transform {
    pub fn shape(&self, direction: Direction, into: bool) -> Shape {
        use Direction::*;
        match direction {
            Verify => Shape::Nothing,
            _ if into => Shape::Count,
            Compress | Decompress | Encrypt | Decrypt => Shape::Buffer,
            Digest | Mac | Sign | Agree | Generate => Shape::Bytes,
        }
    }

    pub fn must_have(&self, py: Python<'_>, direction: Direction) -> PyResult<()> {
        let (name, kind) = (&self.recipe.name, self.recipe.kind);
        if kind.directions().contains(&direction) {
            return Ok(());
        }
        let kind = kind.name();
        Err(Status::usage(format!("{name} is a {kind}: it has no {}", direction.name()))).or_raise(py)
    }

    /// Where it goes. What was not met yet is compiled without the GIL, for that may have to wait.
    pub fn choose(&self, py: Python<'_>, ask: &Ask<'_>) -> PyResult<Chosen> {
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
        let event_loop = running_loop(py)?;
        let company = event_loop.as_ref().and_then(|_| self.company(&asked));
        let depth = company.map_or(1, |company| company.expected);
        let chosen = match company.and_then(|_| same_as_last(&self.recipe, direction, bytes)) {
            Some(chosen) => chosen,
            None => {
                let chosen = self.choose(py, &Ask { priority, client, device, depth, ..Ask::of(direction, bytes) })?;
                if company.is_some() && !chosen.runs_here {
                    remember(&self.recipe, direction, bytes, &chosen);
                }
                chosen
            }
        };
        chosen.transform().or_raise(py)?.check(&unit.call(direction, max_output)).or_raise(py)?;
        let shape = self.shape(direction, asked.into.is_some());
        let predicted = chosen.place.costs.at(depth).predict(direction, bytes);
        let is_forced =
            chosen.runs_here || (asked.delivery.mode == Mode::Inline && chosen.place.device.engine.runs_inline());
        let is_delivered = matches!(asked.delivery.mode, Mode::Queued | Mode::Inline);
        let is_short = is_delivered && layer.is_inline(&chosen, predicted);
        if let (Some(event_loop), Some(company), true) = (&event_loop, company, is_short && !is_forced)
            && self.pays(&chosen, company, direction, bytes, predicted)
        {
            let bound = Arc::clone(&self.recipe);
            let Company { expected, number, waits_turn } = company;
            let work = Gathered { bound, chosen, expected, number, unit, direction, max_output };
            return self.layer.put_off(py, event_loop.clone(), shape, pins, work, waits_turn);
        }
        if is_forced || is_short {
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

    /// How many come together with a message that is about to be submitted; none if it travels alone in any case.
    fn company(&self, asked: &Asked<'_>) -> Option<Company> {
        let Wishes { deadline, client, is_bound, .. } = asked.wishes;
        let is_plain = deadline.is_none() && client == 0 && !is_bound && asked.delivery.callback.is_none();
        let is_queued = asked.delivery.mode == Mode::Queued && !self.layer.gather.is_zero();
        if !is_plain || !is_queued || self.recipe.verify || !self.recipe.has_lanes() {
            return None;
        }
        let kind = &self.recipe.rivalry;
        count_submitted(kind);
        let number = kind.company.count();
        let (burst, turn) = (kind.company.burst(), kind.company.turn());
        Some(Company { expected: burst.max(turn), number, waits_turn: burst < 2 })
    }

    /// Whether a message is to wait for others.
    fn pays(&self, chosen: &Chosen, company: Company, direction: Direction, bytes: usize, predicted: u64) -> bool {
        if !company.waits_turn {
            return chosen.place.device.engine.lanes() > 1;
        }
        if company.expected < 2 || chosen.place.device.engine.lanes() < 2 {
            return Kinds::explores(company.number);
        }
        // Who waits for the next turn is put to sleep and woken: that must be less than what is gained.
        let alone = Ask { is_peek: true, ..Ask::of(direction, bytes) };
        let alone = self.layer.core.choose_met(&self.recipe, &alone).and_then(Result::ok);
        let alone_ns = alone.map_or(0, |alone| alone.place.costs.predict(direction, bytes));
        predicted + TURN_NS < alone_ns
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
}

/// What is known of who comes with a message.
#[derive(Clone, Copy)]
struct Company {
    expected: usize,
    number: u32,
    /// Those of other tasks, which come until the loop's next turn.
    waits_turn: bool,
}
