//! Routes: several transforms as one request.

use crate::buffer::Pins;
use crate::completion::Stage as Told;
use crate::delivery::Mode;
use crate::error::{OrRaise, raise};
use crate::harvest::{Harvest, Shape};
use crate::layer::Shared;
use crate::loops::running_loop;
use crate::operation::Operation;
use crate::port::lock;
use crate::transform::{Asked, INLINE_OUTPUT, Transform, extra};
use acrypto_core::alg::{self, Direction, Kind};
use acrypto_core::buffer::Source;
use acrypto_core::layer::Bound as Recipe;
use acrypto_core::request::{Request, Unit};
use acrypto_core::route::{Role, Stage};
use acrypto_core::status::{Outcome, Status};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Bytes of a MAC's tag, as its reverse must know before it runs.
type Link = (Arc<Recipe>, Option<usize>);

/// An ordered list of transforms that runs as one request. Shareable between threads; holds no state between runs.
#[pyclass(frozen, module = "acrypto")]
pub struct Route {
    layer: Arc<Shared>,
    links: Vec<Link>,
    is_reverse: bool,
}

/// What a stage does in this direction, and what becomes of its result.
fn duty(recipe: &Recipe, tag_len: Option<usize>, is_reverse: bool) -> Outcome<(Direction, Role)> {
    Ok(match (recipe.kind, is_reverse) {
        (Kind::Compression, false) => (Direction::Compress, Role::Replace),
        (Kind::Compression, true) => (Direction::Decompress, Role::Replace),
        (Kind::Cipher | Kind::Aead, false) => (Direction::Encrypt, Role::Replace),
        (Kind::Cipher | Kind::Aead, true) => (Direction::Decrypt, Role::Replace),
        (Kind::Mac, false) => (Direction::Mac, Role::Append),
        (Kind::Mac, true) => match tag_len {
            Some(tag_len) => (Direction::Verify, Role::Strip(tag_len)),
            None => {
                let name = &recipe.name;
                return Err(Status::usage(format!("{name}: its offer does not tell how long its tags are")));
            }
        },
        (Kind::Digest, _) => (Direction::Digest, Role::Note),
        _ => {
            let (name, kind) = (&recipe.name, recipe.kind.name());
            return Err(Status::usage(format!("{name} is of kind {kind}, which has no place in a route")));
        }
    })
}

/// The bytes of tag that a MAC gives: found out by asking it, once.
fn tag_len(layer: &Shared, recipe: &Arc<Recipe>) -> Outcome<Option<usize>> {
    if recipe.kind != Kind::Mac {
        return Ok(None);
    }
    let place = layer.core.first_place(recipe)?;
    let unit = layer.core.unit(Source::default());
    let transform = place.transform().ok_or_else(|| Status::Internal("a place that was never met".into()))?;
    let told = recipe.tag_len().or_else(|| Some(recipe.shape.digest).filter(|digest| *digest > 0));
    let is_ours = alg::find(&recipe.name).is_some();
    Ok(told.or_else(|| is_ours.then(|| transform.capacity(&unit.call(Direction::Mac, 0)))))
}

fn links(py: Python<'_>, layer: &Arc<Shared>, transforms: &Bound<'_, PyTuple>) -> PyResult<Vec<Link>> {
    let mut links = Vec::new();
    for transform in transforms.iter() {
        let transform = transform.cast::<Transform>()?.get();
        if !Arc::ptr_eq(&transform.layer, layer) {
            let name = &transform.recipe.name;
            return Err(Status::usage(format!("{name} is a transform of another layer"))).or_raise(py);
        }
        let recipe = Arc::clone(&transform.recipe);
        duty(&recipe, None, false).or_raise(py)?;
        let tag_len = py.detach(|| tag_len(layer, &recipe)).or_raise(py)?;
        links.push((recipe, tag_len));
    }
    Ok(links)
}

/// The extra inputs of the stages, each given once by name.
struct Extras<'a, 'py> {
    nonce: Option<&'a Bound<'py, PyAny>>,
    ad: Option<&'a Bound<'py, PyAny>>,
}

/// One sort of extra input: which stages take it, and what each of them was given.
struct Given<'py> {
    by_stage: HashMap<usize, Bound<'py, PyAny>>,
}

impl<'py> Given<'py> {
    /// Takes a value for the one stage that takes it; or a dict, by stage number or by algorithm. What no stage takes is
    /// a mistake: additional data that is dropped would look authenticated.
    fn read(
        py: Python<'py>,
        given: Option<&Bound<'py, PyAny>>,
        takers: &[(usize, &str)],
        what: &str,
    ) -> PyResult<Self> {
        let mut by_stage = HashMap::new();
        let wrong = |message: String| raise(py, &Status::usage(message));
        let Some(given) = given else { return Ok(Self { by_stage }) };
        let Ok(dict) = given.cast::<PyDict>() else {
            match takers {
                [(index, _)] => drop(by_stage.insert(*index, given.clone())),
                [] => return Err(wrong(format!("no stage of this route takes a {what}"))),
                _ => {
                    let count = takers.len();
                    let message = "stages of this route take a";
                    return Err(wrong(format!(
                        "{count} {message} {what}: give a dict, by stage number or by algorithm"
                    )));
                }
            }
            return Ok(Self { by_stage });
        };
        for (key, value) in dict.iter() {
            let index = key.extract::<usize>().ok();
            let name = key.extract::<String>().ok();
            let meant: Vec<usize> = takers
                .iter()
                .filter(|(at, algorithm)| Some(*at) == index || Some(*algorithm) == name.as_deref())
                .map(|(at, _)| *at)
                .collect();
            let [at] = meant.as_slice() else {
                let count = meant.len();
                let known: Vec<&str> = takers.iter().map(|(_, algorithm)| *algorithm).collect();
                let known = known.join(", ");
                return Err(wrong(format!("{what} for {key}: {count} stages of that name take one, of {known}")));
            };
            if by_stage.insert(*at, value).is_some() {
                return Err(wrong(format!("{what} for stage {at} is given twice")));
            }
        }
        Ok(Self { by_stage })
    }
}

impl<'py> Extras<'_, 'py> {
    fn stages(
        &self,
        links: &[Link],
        is_reverse: bool,
        max_output: u64,
        pins: &mut Pins,
        py: Python<'py>,
    ) -> PyResult<Vec<Stage>> {
        // Numbered as the route was made, whichever way it runs.
        let number = |position: usize| if is_reverse { links.len() - 1 - position } else { position };
        let takers = |takes: fn(&Recipe) -> bool| -> Vec<(usize, &str)> {
            let all = links.iter().enumerate().filter(|(_, link)| takes(&link.0));
            all.map(|(position, link)| (number(position), link.0.name.as_str())).collect()
        };
        let nonces = takers(|recipe| matches!(recipe.kind, Kind::Aead | Kind::Cipher) && recipe.shape.nonce > 0);
        let ads = takers(|recipe| recipe.kind == Kind::Aead);
        let nonces = Given::read(py, self.nonce, &nonces, "nonce")?;
        let ads = Given::read(py, self.ad, &ads, "ad")?;
        let mut stages = Vec::with_capacity(links.len());
        for (position, (recipe, tag_len)) in links.iter().enumerate() {
            let (direction, role) = duty(recipe, *tag_len, is_reverse).or_raise(py)?;
            let index = number(position);
            let ad = ads.by_stage.get(&index).map(|ad| pins.source(ad)).transpose()?.unwrap_or_default();
            let extra = extra(Pins::short(nonces.by_stage.get(&index))?, ad, Default::default());
            stages.push(Stage { bound: Arc::clone(recipe), direction, role, extra, max_output });
        }
        Ok(stages)
    }
}

impl Route {
    pub fn new(py: Python<'_>, layer: &Arc<Shared>, transforms: &Bound<'_, PyTuple>) -> PyResult<Self> {
        if transforms.is_empty() {
            return Err(Status::usage("a route of no transforms; at least one is needed")).or_raise(py);
        }
        Ok(Self { layer: Arc::clone(layer), links: links(py, layer, transforms)?, is_reverse: false })
    }
}

#[pymethods]
impl Route {
    /// The algorithms of its stages, in the order in which they run.
    #[getter]
    fn algorithms(&self) -> Vec<&str> {
        self.links.iter().map(|(recipe, _)| recipe.name.as_str()).collect()
    }

    /// The route that undoes this one.
    fn reverse(&self) -> Self {
        let links = self.links.iter().rev().map(|(recipe, len)| (Arc::clone(recipe), *len)).collect();
        Self { layer: Arc::clone(&self.layer), links, is_reverse: !self.is_reverse }
    }

    /// Runs all stages over one message, as one operation.
    #[pyo3(signature = (data, *, nonce = None, ad = None, **options), text_signature = "($self, data, *, nonce=None, ad=None, into=None, max_output=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None, then=None)")]
    fn run<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        nonce: Option<Bound<'py, PyAny>>,
        ad: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        self.start(py, &data, nonce, ad, Asked::read(py, options, &["into", "max_output", "then"], false)?)
    }

    /// `run` that raises QueueFull instead of waiting for room.
    #[pyo3(signature = (data, *, nonce = None, ad = None, **options), text_signature = "($self, data, *, nonce=None, ad=None, into=None, max_output=None, priority=0, deadline=None, device=None, client=None, mode='queued', callback=None, then=None)")]
    fn try_run<'py>(
        &self,
        py: Python<'py>,
        data: Bound<'py, PyAny>,
        nonce: Option<Bound<'py, PyAny>>,
        ad: Option<Bound<'py, PyAny>>,
        options: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Py<Operation>> {
        self.start(py, &data, nonce, ad, Asked::read(py, options, &["into", "max_output", "then"], true)?)
    }

    fn __repr__(&self) -> String {
        format!("<Route {}>", self.algorithms().join(" | "))
    }
}

impl Route {
    fn start<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        nonce: Option<Bound<'py, PyAny>>,
        ad: Option<Bound<'py, PyAny>>,
        mut asked: Asked<'py>,
    ) -> PyResult<Py<Operation>> {
        let core = &self.layer.core;
        core.alive().or_raise(py)?;
        asked.settle(&self.layer);
        let mut pins = Pins::default();
        let source = pins.source(data)?;
        let max_output = asked.max_output.unwrap_or(self.layer.max_output);
        let extras = Extras { nonce: nonce.as_ref(), ad: ad.as_ref() };
        let stages = extras.stages(&self.links, self.is_reverse, max_output, &mut pins, py)?;
        let output = match &asked.into {
            None => core.output(),
            Some(into) => {
                let ads = stages.iter().filter_map(|stage| stage.extra.as_ref()).map(|extra| extra.ad());
                let read: Vec<&Source> = std::iter::once(&source).chain(ads).collect();
                pins.output(into, &core.pool, &read)?
            }
        };
        let shape = if asked.into.is_some() { Shape::Count } else { Shape::Buffer };
        let unit = Unit { source, extra: None, output };
        let (wishes, asks) = (asked.wishes, asked.delivery.then.is_some());
        // What a decompression will cost, its source does not tell.
        let is_bounded = |stage: &Stage| stage.direction != Direction::Decompress || max_output <= INLINE_OUTPUT;
        let is_short = asked.delivery.mode == Mode::Inline || stages.iter().all(is_bounded);
        let may_run_here = matches!(asked.delivery.mode, Mode::Queued | Mode::Inline) && !asks && is_short;
        let device = asked.device.clone();
        let event_loop = running_loop(py)?;
        // Places that were not met yet are compiled, which may wait for a Python engine.
        asked.delivery.detach = true;
        self.layer.launch(py, event_loop, Harvest::One(shape), pins, asked.delivery, |hold| {
            core.submit_route(stages, unit, wishes, device.as_deref(), asks, may_run_here, hold)
        })
    }
}

/// A route between its last stage and its end: what has happened, and the chance to add more.
#[pyclass(frozen, module = "acrypto")]
pub struct Hop {
    layer: Arc<Shared>,
    #[pyo3(get)]
    nbytes: usize,
    #[pyo3(get)]
    stages: Vec<Told>,
    /// What was added, and what is pinned for it; nothing once the callback has returned.
    more: Mutex<Option<(Vec<Stage>, Pins)>>,
}

#[pymethods]
impl Hop {
    /// Adds a stage, to run after those before it. Only while the callback runs.
    #[pyo3(signature = (transform, *, nonce = None, ad = None, max_output = None))]
    fn append<'py>(
        &self,
        py: Python<'py>,
        transform: &Bound<'py, PyAny>,
        nonce: Option<Bound<'py, PyAny>>,
        ad: Option<Bound<'py, PyAny>>,
        max_output: Option<u64>,
    ) -> PyResult<()> {
        let links = links(py, &self.layer, &PyTuple::new(py, [transform])?)?;
        let extras = Extras { nonce: nonce.as_ref(), ad: ad.as_ref() };
        let mut pins = Pins::default();
        let most = max_output.unwrap_or(self.layer.max_output);
        let stages = extras.stages(&links, false, most, &mut pins, py)?;
        let is_late = match &mut *lock(&self.more) {
            Some((more, pinned)) => {
                more.extend(stages);
                pinned.absorb(pins);
                false
            }
            None => true,
        };
        if is_late {
            return Err(Status::usage("the route has gone on: stages are added while its callback runs")).or_raise(py);
        }
        Ok(())
    }

    fn __repr__(&self) -> String {
        format!("<Hop after {} stages: {} bytes>", self.stages.len(), self.nbytes)
    }
}

impl Hop {
    /// Asks a route's caller whether there is more to do.
    pub fn ask(layer: Arc<Shared>, then: &Bound<'_, PyAny>, request: &Request) -> PyResult<(Vec<Stage>, Pins)> {
        let py = then.py();
        let told = request.journey.as_ref().map(|journey| journey.told.stages.iter().map(Told::of).collect());
        let hop = Hop {
            layer,
            nbytes: request.source_bytes() as usize,
            stages: told.unwrap_or_default(),
            more: Mutex::new(Some((Vec::new(), Pins::default()))),
        };
        let hop = Py::new(py, hop)?;
        let outcome = then.call1((hop.bind(py),));
        let more = lock(&hop.get().more).take().unwrap_or_default();
        outcome?;
        Ok(more)
    }
}
