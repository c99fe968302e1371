//! Transforms: an algorithm with its parameters and key, and every operation that it has.

use crate::buffer::Pins;
use crate::convert::deadline;
use crate::error::OrRaise;
use crate::layer::Shared;
use crate::operation::{Harvest, Operation, Shape};
use crate::port::running_loop;
use acrypto_core::alg::{Call, Direction};
use acrypto_core::buffer::Source;
use acrypto_core::layer::{Bound as Recipe, Place, Wishes};
use acrypto_core::operation::Settled;
use acrypto_core::request::{Extra, Unit};
use acrypto_core::status::Status;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};
use std::sync::Arc;

/// Work predicted below this holds the GIL: giving it away and getting it back costs more than it saves others.
const DETACH_NS: u64 = 5_000;

/// Random bytes are given as `bytes`, copied with the GIL held, so one call must not ask for too many.
const MAX_RANDOM: u64 = 16 << 20;

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
    into: Option<Bound<'py, PyAny>>,
    max_output: Option<u64>,
    unit: Option<usize>,
    return_exceptions: bool,
    device: Option<String>,
    wishes: Wishes,
}

impl<'py> Asked<'py> {
    /// Reads the options that are in `known`; any other is a TypeError, as for every Python function.
    fn read(
        py: Python<'py>,
        options: Option<&Bound<'py, PyDict>>,
        known: &[&str],
        must_not_wait: bool,
    ) -> PyResult<Self> {
        let mut asked = Self { wishes: Wishes { must_not_wait, ..Wishes::default() }, ..Self::default() };
        let Some(options) = options else { return Ok(asked) };
        for (name, value) in options.iter() {
            let name = name.cast::<PyString>()?.to_cow()?;
            let is_common = matches!(&*name, "priority" | "deadline" | "device");
            if !is_common && !known.contains(&&*name) {
                return Err(PyTypeError::new_err(format!("got an unexpected keyword argument '{name}'")));
            }
            if value.is_none() {
                continue;
            }
            match &*name {
                "priority" => asked.wishes.priority = value.extract()?,
                "deadline" => asked.wishes.deadline = deadline(py, Some(value.extract()?))?,
                "device" => asked.device = Some(value.extract()?),
                "into" => asked.into = Some(value),
                "max_output" => asked.max_output = Some(value.extract()?),
                "unit" => asked.unit = Some(value.extract()?),
                _ => asked.return_exceptions = value.is_truthy()?,
            }
        }
        Ok(asked)
    }
}

/// Direction, device, driver, lane, predicted nanoseconds, reason.
type ExplanationRow = (String, String, String, String, u64, String);

/// Keyed, reusable, bound to no device. Shareable between threads; holds no state between operations.
#[pyclass(frozen, subclass, module = "acrypto")]
pub struct Transform {
    pub layer: Arc<Shared>,
    pub recipe: Arc<Recipe>,
}

impl<'a, 'py> Message<'a, 'py> {
    fn of(direction: Direction, source: &'a Bound<'py, PyAny>) -> Self {
        Self { direction, source, nonce: None, ad: None, tag: None }
    }
}

impl<'a, 'py> Sources<'a, 'py> {
    fn of(data: &'a Bound<'py, PyAny>, unit: Option<usize>) -> Self {
        match unit {
            Some(unit) => Self::Cut { buffer: data, unit },
            None => Self::List(data),
        }
    }
}

fn extra(nonce: Vec<u8>, ad: Source, tag: Vec<u8>) -> Option<Box<Extra>> {
    (!nonce.is_empty() || !ad.is_empty() || !tag.is_empty()).then(|| Box::new(Extra { nonce, ad, tag }))
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
        let algorithm = self.recipe.algorithm;
        if algorithm.kind.directions().contains(&direction) {
            return Ok(());
        }
        let (name, kind) = (algorithm.name, algorithm.kind.name());
        Err(Status::usage(format!("{name} is a {kind}: it has no {}", direction.name()))).or_raise(py)
    }

    /// Submits one message.
    fn start<'py>(&self, py: Python<'py>, message: &Message<'_, 'py>, asked: &Asked<'py>) -> PyResult<Py<Operation>> {
        let direction = message.direction;
        self.must_have(py, direction)?;
        let layer = &self.layer.core;
        layer.alive().or_raise(py)?;
        let place = layer.place(&self.recipe, asked.device.as_deref()).or_raise(py)?;
        let max_output = asked.max_output.unwrap_or(self.layer.max_output);
        let mut pins = Pins::default();
        let source = pins.source(message.source)?;
        let ad = message.ad.map(|ad| pins.source(ad)).transpose()?.unwrap_or_default();
        let output = match &asked.into {
            None => layer.output(),
            Some(into) => pins.output(into, &layer.pool, &[&source, &ad])?,
        };
        let extra = extra(Pins::short(message.nonce)?, ad, Pins::short(message.tag)?);
        let unit = Unit { source, extra, output };
        place.transform.check(&unit.call(direction, max_output)).or_raise(py)?;
        let harvest = Harvest::One(self.shape(direction, asked.into.is_some()));
        let bytes = acrypto_core::request::cost_bytes(&unit, direction, max_output);
        let predicted = place.costs.predict(direction, bytes);
        let event_loop = running_loop(py)?;
        if layer.is_inline(&place, predicted) {
            let run = || layer.run_inline(&place, unit, direction, max_output);
            let (result, completion) = if predicted > DETACH_NS { py.detach(run) } else { run() };
            let settled = Settled { units: vec![result], completion };
            return Py::new(py, Operation::done_now(py, event_loop.map(Bound::unbind), harvest, settled));
        }
        let wishes = asked.wishes;
        self.layer.launch(py, event_loop, harvest, pins, |operation| {
            layer.submit(&place, vec![unit], direction, max_output, wishes, operation)
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
        self.start(py, &Message::of(Direction::Generate, &nothing), &asked)
    }

    /// Submits many messages as one operation.
    fn start_many<'py>(
        &self,
        py: Python<'py>,
        direction: Direction,
        sources: Sources<'_, 'py>,
        asked: &Asked<'py>,
    ) -> PyResult<Py<Operation>> {
        self.must_have(py, direction)?;
        let layer = &self.layer.core;
        layer.alive().or_raise(py)?;
        let place = layer.place(&self.recipe, asked.device.as_deref()).or_raise(py)?;
        let max_output = asked.max_output.unwrap_or(self.layer.max_output);
        let mut pins = Pins::default();
        let units = self.units(py, &place, direction, sources, max_output, &mut pins)?;
        let harvest = Harvest::Many { each: self.shape(direction, false), return_exceptions: asked.return_exceptions };
        // Units are alike in size as a rule: predicting the first and scaling saves a look-up for each.
        let total: usize = units.iter().map(|unit| unit.source.len()).sum();
        let mean = total / units.len().max(1);
        let predicted = place.costs.predict(direction, mean) * units.len() as u64;
        let event_loop = running_loop(py)?;
        if units.is_empty() || layer.is_inline(&place, predicted) {
            let run = || layer.run_batch(&place, units, direction, max_output);
            let settled = if predicted > DETACH_NS { py.detach(run) } else { run() };
            return Py::new(py, Operation::done_now(py, event_loop.map(Bound::unbind), harvest, settled));
        }
        let wishes = asked.wishes;
        self.layer.launch(py, event_loop, harvest, pins, |operation| {
            layer.submit(&place, units, direction, max_output, wishes, operation)
        })
    }

    fn units<'py>(
        &self,
        py: Python<'py>,
        place: &Place,
        direction: Direction,
        sources: Sources<'_, 'py>,
        max_output: u64,
        pins: &mut Pins,
    ) -> PyResult<Vec<Unit>> {
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
        for unit in &units {
            let call: Call<'_> = unit.call(direction, max_output);
            place.transform.check(&call).or_raise(py)?;
        }
        Ok(units)
    }
}

/// The messages of a `*_many`.
enum Sources<'a, 'py> {
    List(&'a Bound<'py, PyAny>),
    Cut { buffer: &'a Bound<'py, PyAny>, unit: usize },
    Sealed { nonces: &'a Bound<'py, PyAny>, list: &'a Bound<'py, PyAny>, ads: Option<&'a Bound<'py, PyAny>> },
}

#[pymethods]
impl Transform {
    /// The algorithm's name.
    #[getter]
    fn algorithm(&self) -> &'static str {
        self.recipe.algorithm.name
    }

    /// What sort of algorithm it is.
    #[getter]
    fn kind(&self) -> &'static str {
        self.recipe.algorithm.kind.name()
    }

    /// The public half of a private key, as SubjectPublicKeyInfo in DER (RFC 5280).
    fn public_key<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let place = self.layer.core.place(&self.recipe, None).or_raise(py)?;
        match place.transform.public_key() {
            Some(key) => Ok(PyBytes::new(py, &key)),
            None => Err(Status::usage(format!("{} has no public key here", self.recipe.algorithm.name))).or_raise(py),
        }
    }

    /// Where operations on `nbytes` would run: (direction, device, driver, lane, predicted nanoseconds, reason).
    fn explain(&self, py: Python<'_>, nbytes: usize) -> PyResult<Vec<ExplanationRow>> {
        let layer = &self.layer.core;
        let place = layer.place(&self.recipe, None).or_raise(py)?;
        let mut rows = Vec::new();
        for &direction in self.recipe.algorithm.kind.directions() {
            let predicted = place.costs.predict(direction, nbytes);
            let limit = layer.settings.inline_ns;
            let (lane, why) = if !place.device.engine.runs_inline() {
                ("queued", "this engine always queues".to_string())
            } else if predicted < limit {
                ("inline", format!("predicted below {limit} ns"))
            } else {
                ("queued", format!("predicted at or above {limit} ns"))
            };
            rows.push((
                direction.name().into(),
                place.device.name.to_string(),
                place.transform.driver(direction).into(),
                lane.into(),
                predicted,
                format!("{}; {why}", place.reason),
            ));
        }
        Ok(rows)
    }

    fn __repr__(&self) -> String {
        format!("<Transform {}>", self.recipe.algorithm.name)
    }

    /// Compresses one message; gives a Buffer, or the byte count with `into`.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None)")]
    fn compress<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(py, &Message::of(Direction::Compress, &data), &asked)
    }

    /// `compress` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None)")]
    fn try_compress<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(py, &Message::of(Direction::Compress, &data), &asked)
    }

    /// Decompresses one message to its end. Raises CorruptInput, LimitExceeded.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, max_output=None, priority=0, deadline=None, device=None)")]
    fn decompress<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into", "max_output"], false)?;
        self.start(py, &Message::of(Direction::Decompress, &data), &asked)
    }

    /// `decompress` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, max_output=None, priority=0, deadline=None, device=None)")]
    fn try_decompress<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into", "max_output"], true)?;
        self.start(py, &Message::of(Direction::Decompress, &data), &asked)
    }

    /// The digest of one message, as bytes.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None)")]
    fn digest<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(py, &Message::of(Direction::Digest, &data), &asked)
    }

    /// `digest` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None)")]
    fn try_digest<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(py, &Message::of(Direction::Digest, &data), &asked)
    }

    /// The tag of one message, as bytes.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None)")]
    fn mac<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(py, &Message::of(Direction::Mac, &data), &asked)
    }

    /// `mac` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None)")]
    fn try_mac<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(py, &Message::of(Direction::Mac, &data), &asked)
    }

    /// Signs one message with the private key.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None)")]
    fn sign<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(py, &Message::of(Direction::Sign, &data), &asked)
    }

    /// `sign` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, into=None, priority=0, deadline=None, device=None)")]
    fn try_sign<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(py, &Message::of(Direction::Sign, &data), &asked)
    }

    /// The secret shared with the owner of a public key.
    #[pyo3(signature = (peer, **options), text_signature = "($self, peer, *, into=None, priority=0, deadline=None, device=None)")]
    fn agree<'py>(
        &self,
        py: Python<'py>,
        peer: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(py, &Message::of(Direction::Agree, &peer), &asked)
    }

    /// `agree` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (peer, **options), text_signature = "($self, peer, *, into=None, priority=0, deadline=None, device=None)")]
    fn try_agree<'py>(
        &self,
        py: Python<'py>,
        peer: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(py, &Message::of(Direction::Agree, &peer), &asked)
    }

    /// Encrypts one message; an AEAD appends its tag. The nonce must never serve twice under one key.
    #[pyo3(signature = (nonce, data, ad = None, **options), text_signature = "($self, nonce, data, ad=None, *, into=None, priority=0, deadline=None, device=None)")]
    fn encrypt<'py>(
        &self,
        py: Python<'py>,
        nonce: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ad: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(
            py,
            &Message { nonce: Some(&nonce), ad: ad.as_ref(), ..Message::of(Direction::Encrypt, &data) },
            &asked,
        )
    }

    /// `encrypt` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (nonce, data, ad = None, **options), text_signature = "($self, nonce, data, ad=None, *, into=None, priority=0, deadline=None, device=None)")]
    fn try_encrypt<'py>(
        &self,
        py: Python<'py>,
        nonce: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ad: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(
            py,
            &Message { nonce: Some(&nonce), ad: ad.as_ref(), ..Message::of(Direction::Encrypt, &data) },
            &asked,
        )
    }

    /// Decrypts one message. AuthenticationError releases nothing.
    #[pyo3(signature = (nonce, data, ad = None, **options), text_signature = "($self, nonce, data, ad=None, *, into=None, priority=0, deadline=None, device=None)")]
    fn decrypt<'py>(
        &self,
        py: Python<'py>,
        nonce: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ad: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], false)?;
        self.start(
            py,
            &Message { nonce: Some(&nonce), ad: ad.as_ref(), ..Message::of(Direction::Decrypt, &data) },
            &asked,
        )
    }

    /// `decrypt` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (nonce, data, ad = None, **options), text_signature = "($self, nonce, data, ad=None, *, into=None, priority=0, deadline=None, device=None)")]
    fn try_decrypt<'py>(
        &self,
        py: Python<'py>,
        nonce: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ad: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["into"], true)?;
        self.start(
            py,
            &Message { nonce: Some(&nonce), ad: ad.as_ref(), ..Message::of(Direction::Decrypt, &data) },
            &asked,
        )
    }

    /// Checks a tag or signature; raises AuthenticationError if it is wrong, gives None if right.
    #[pyo3(signature = (tag, data, **options), text_signature = "($self, tag, data, *, priority=0, deadline=None, device=None)")]
    fn verify<'py>(
        &self,
        py: Python<'py>,
        tag: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &[], false)?;
        self.start(py, &Message { tag: Some(&tag), ..Message::of(Direction::Verify, &data) }, &asked)
    }

    /// `verify` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (tag, data, **options), text_signature = "($self, tag, data, *, priority=0, deadline=None, device=None)")]
    fn try_verify<'py>(
        &self,
        py: Python<'py>,
        tag: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &[], true)?;
        self.start(py, &Message { tag: Some(&tag), ..Message::of(Direction::Verify, &data) }, &asked)
    }

    /// `compress` of many messages in one submission: a list of messages, or one buffer cut into `unit` bytes. Gives a list.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, return_exceptions=False, priority=0, deadline=None, device=None)")]
    fn compress_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["unit", "return_exceptions"], false)?;
        self.start_many(py, Direction::Compress, Sources::of(&data, asked.unit), &asked)
    }

    /// `compress_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, return_exceptions=False, priority=0, deadline=None, device=None)")]
    fn try_compress_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["unit", "return_exceptions"], true)?;
        self.start_many(py, Direction::Compress, Sources::of(&data, asked.unit), &asked)
    }

    /// `decompress` of many messages in one submission: a list of messages, or one buffer cut into `unit` bytes. Gives a list.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, return_exceptions=False, max_output=None, priority=0, deadline=None, device=None)")]
    fn decompress_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["unit", "return_exceptions", "max_output"], false)?;
        self.start_many(py, Direction::Decompress, Sources::of(&data, asked.unit), &asked)
    }

    /// `decompress_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, return_exceptions=False, max_output=None, priority=0, deadline=None, device=None)")]
    fn try_decompress_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["unit", "return_exceptions", "max_output"], true)?;
        self.start_many(py, Direction::Decompress, Sources::of(&data, asked.unit), &asked)
    }

    /// `digest` of many messages in one submission: a list of messages, or one buffer cut into `unit` bytes. Gives a list.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, return_exceptions=False, priority=0, deadline=None, device=None)")]
    fn digest_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["unit", "return_exceptions"], false)?;
        self.start_many(py, Direction::Digest, Sources::of(&data, asked.unit), &asked)
    }

    /// `digest_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, return_exceptions=False, priority=0, deadline=None, device=None)")]
    fn try_digest_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["unit", "return_exceptions"], true)?;
        self.start_many(py, Direction::Digest, Sources::of(&data, asked.unit), &asked)
    }

    /// `mac` of many messages in one submission: a list of messages, or one buffer cut into `unit` bytes. Gives a list.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, return_exceptions=False, priority=0, deadline=None, device=None)")]
    fn mac_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["unit", "return_exceptions"], false)?;
        self.start_many(py, Direction::Mac, Sources::of(&data, asked.unit), &asked)
    }

    /// `mac_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, **options), text_signature = "($self, data, *, unit=None, return_exceptions=False, priority=0, deadline=None, device=None)")]
    fn try_mac_many<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["unit", "return_exceptions"], true)?;
        self.start_many(py, Direction::Mac, Sources::of(&data, asked.unit), &asked)
    }

    /// `encrypt` of many messages in one submission, with a nonce (and perhaps ad) each. Gives a list.
    #[pyo3(signature = (nonces, data, ads = None, **options), text_signature = "($self, nonces, data, ads=None, *, return_exceptions=False, priority=0, deadline=None, device=None)")]
    fn encrypt_many<'py>(
        &self,
        py: Python<'py>,
        nonces: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ads: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["return_exceptions"], false)?;
        let sources = Sources::Sealed { nonces: &nonces, list: &data, ads: ads.as_ref() };
        self.start_many(py, Direction::Encrypt, sources, &asked)
    }

    /// `encrypt_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (nonces, data, ads = None, **options), text_signature = "($self, nonces, data, ads=None, *, return_exceptions=False, priority=0, deadline=None, device=None)")]
    fn try_encrypt_many<'py>(
        &self,
        py: Python<'py>,
        nonces: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ads: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["return_exceptions"], true)?;
        let sources = Sources::Sealed { nonces: &nonces, list: &data, ads: ads.as_ref() };
        self.start_many(py, Direction::Encrypt, sources, &asked)
    }

    /// `decrypt` of many messages in one submission, with a nonce (and perhaps ad) each. Gives a list.
    #[pyo3(signature = (nonces, data, ads = None, **options), text_signature = "($self, nonces, data, ads=None, *, return_exceptions=False, priority=0, deadline=None, device=None)")]
    fn decrypt_many<'py>(
        &self,
        py: Python<'py>,
        nonces: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ads: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["return_exceptions"], false)?;
        let sources = Sources::Sealed { nonces: &nonces, list: &data, ads: ads.as_ref() };
        self.start_many(py, Direction::Decrypt, sources, &asked)
    }

    /// `decrypt_many` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (nonces, data, ads = None, **options), text_signature = "($self, nonces, data, ads=None, *, return_exceptions=False, priority=0, deadline=None, device=None)")]
    fn try_decrypt_many<'py>(
        &self,
        py: Python<'py>,
        nonces: Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
        ads: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        let asked = Asked::read(py, options, &["return_exceptions"], true)?;
        let sources = Sources::Sealed { nonces: &nonces, list: &data, ads: ads.as_ref() };
        self.start_many(py, Direction::Decrypt, sources, &asked)
    }
}
