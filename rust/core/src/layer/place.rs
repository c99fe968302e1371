//! Where a request could go, and where it goes.
//!
//! A transform is bound to no device. The bids that could serve it are looked up once and kept until something in the
//! registry changes; each compiles it on first use. Among those the balancer chooses, by these rules:
//!
//! - a bid with a negative priority never competes: it serves who names it, or when nobody else is there;
//! - a wrapper (`cryptd(..)`, `pcrypt(..)`) that is the strongest takes everything: it was asked for, by being made;
//! - a bid that does not take this direction or size, or a device that is not usable, is not shown.

use super::Layer;
use crate::alg::{self, Direction, Params, Transform};
use crate::cost::{Costs, Rivalry};
use crate::device::{Device, State};
use crate::engine::Limits;
use crate::registry::{Bid, Registry, Wanted};
use crate::status::{Outcome, Status};
use crate::template::Shape;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

/// An algorithm with parameters and key, compiled lazily for each device that it meets.
pub struct Bound {
    /// The algorithm's name.
    pub name: String,
    pub shared_name: Arc<str>,
    pub kind: alg::Kind,
    /// Whether every result is checked.
    pub verify: bool,
    /// Its sizes, as far as the offer told them.
    pub shape: Shape,
    wanted: Wanted,
    pub(super) params: Params,
    /// Names the cost table: the algorithm and what changes its price.
    pub cost_key: String,
    pub rivalry: Arc<Rivalry>,
    has_lanes: AtomicBool,
    layer: Weak<Layer>,
    /// Where it can go. Most transforms are made and used while nothing changes; those read the first list without a lock.
    first: OnceLock<Places>,
    latest: RwLock<Option<Arc<Places>>>,
    checker: OnceLock<Option<Arc<dyn Transform>>>,
}

/// All places at one time, strongest bid first.
struct Places {
    epoch: u64,
    all: Vec<Arc<Place>>,
}

/// A bid compiled: held, so that nobody takes it away while it is in use.
pub(super) struct Keyed {
    _bid: Option<Arc<Bid>>,
    transform: Arc<dyn Transform>,
}

/// A bid that a transform may be run by, and all that is needed to do so.
pub struct Place {
    pub device: Arc<Device>,
    pub limits: Limits,
    pub costs: Arc<Costs>,
    pub(super) priority: i32,
    pub(super) is_wrapper: bool,
    id: u64,
    bid: Weak<Bid>,
    /// Compiled on first use; or why it cannot be.
    pub(super) keyed: OnceLock<Outcome<Keyed>>,
    /// Of streams, which bring their own code.
    pub step_driver: Option<&'static str>,
    _held: Option<Arc<Bid>>,
    /// Requests that were not begun since they would have missed their deadlines.
    refusals: AtomicU32,
}

/// One in so many of those is begun all the same.
const REFUSALS: u32 = 16;

impl Place {
    /// A place for work that brings its own code.
    pub fn plain(device: &Arc<Device>, kind: alg::Kind) -> Self {
        Self {
            device: Arc::clone(device),
            limits: Limits::default(),
            costs: Arc::new(Costs::new(kind)),
            priority: 0,
            is_wrapper: false,
            id: 0,
            bid: Weak::new(),
            keyed: OnceLock::new(),
            step_driver: None,
            _held: None,
            refusals: AtomicU32::new(0),
        }
    }

    /// A place for one transform that is compiled already.
    pub fn of(device: &Arc<Device>, bid: Option<Arc<Bid>>, transform: Arc<dyn Transform>, costs: Arc<Costs>) -> Self {
        let kind = transform.kind();
        let keyed = OnceLock::from(Ok(Keyed { _bid: bid, transform }));
        Self { keyed, costs, ..Self::plain(device, kind) }
    }

    /// The same place for the steps of a stream.
    pub(super) fn for_steps(&self, kind: alg::Kind, driver: &'static str) -> Self {
        // Held as a transform holds it: while the stream lives, nobody takes the offer away.
        let held = self.bid.upgrade();
        let plain = Self::plain(&self.device, kind);
        Self { step_driver: Some(driver), bid: self.bid.clone(), _held: held, ..plain }
    }

    fn of_bid(bid: &Arc<Bid>, costs: Arc<Costs>) -> Self {
        if bid.device.engine.lanes() > 1 {
            costs.tell_depths_apart();
        }
        Self {
            limits: bid.offer.limits,
            costs,
            priority: bid.offer.priority,
            is_wrapper: bid.is_wrapper(),
            id: bid.id,
            bid: Arc::downgrade(bid),
            ..Self::plain(&bid.device, bid.offer.kind)
        }
    }

    /// Whether it is time to begin one that is thought to miss its deadline.
    pub fn tries_anyway(&self) -> bool {
        (self.refusals.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(REFUSALS)
    }

    /// What runs here, once it was compiled.
    pub fn transform(&self) -> Option<&Arc<dyn Transform>> {
        self.keyed.get().and_then(|keyed| keyed.as_ref().ok()).map(|keyed| &keyed.transform)
    }

    pub(super) fn meet(&self, params: &Params) -> Outcome<&Arc<dyn Transform>> {
        if self.keyed.get().is_none() {
            let bid = self.bid.upgrade().ok_or_else(|| Status::NoEngine("the offer has been withdrawn".into()))?;
            // Nobody waits for another who compiles the same: that may need what the waiting one holds.
            let compiled = bid.compile(params).map(|transform| Keyed { transform, _bid: Some(bid) });
            if let Err(status) = compiled.as_ref().map_err(Clone::clone).map(|_| ())
                && status.retryable()
            {
                return Err(status); // not for ever: a part of it was lost just now
            }
            let _ = self.keyed.set(compiled); // another may have been first, with the same
        }
        match self.keyed.get() {
            Some(keyed) => keyed.as_ref().map(|keyed| &keyed.transform).map_err(Clone::clone),
            None => Err(Status::Internal("a place that was never met".into())),
        }
    }
}

/// What is to be placed.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub direction: Direction,
    pub bytes: usize,
    pub priority: i32,
    pub client: u32,
    /// How many travel together.
    pub depth: usize,
    /// By name: there or nowhere.
    pub device: Option<&'a str>,
    /// Numbers of devices that are not to be asked again.
    pub tried: &'a [u32],
    /// It is only asked where it would go: nothing is counted, nobody's turn is used up.
    pub is_peek: bool,
    /// The one it is at: staying there is worth something.
    pub here: Option<&'a Device>,
}

impl<'a> Ask<'a> {
    pub fn of(direction: Direction, bytes: usize) -> Self {
        Self {
            direction,
            bytes,
            priority: 0,
            client: 0,
            depth: 1,
            device: None,
            tried: &[],
            is_peek: false,
            here: None,
        }
    }
}

/// Where a request goes, and why.
pub struct Chosen {
    pub place: Arc<Place>,
    pub reason: &'static str,
    /// It brings its own code, and runs on the caller's thread.
    pub runs_here: bool,
}

impl Chosen {
    /// What runs there.
    pub fn transform(&self) -> Outcome<&Arc<dyn Transform>> {
        self.place.transform().ok_or_else(|| Status::Internal("a place that was never met".into()))
    }
}

impl Bound {
    /// Bytes of tag, where the caller has chosen that.
    pub fn tag_len(&self) -> Option<usize> {
        self.params.tag_len
    }

    pub fn layer(&self) -> Option<Arc<Layer>> {
        self.layer.upgrade()
    }

    /// Whether somebody who does it is better off with many messages at once.
    pub fn has_lanes(&self) -> bool {
        self.has_lanes.load(Ordering::Relaxed)
    }

    /// Whether another device could do the same now.
    pub fn has_another(&self, layer: &Layer, device: &Device) -> bool {
        let is_other = |place: &&Arc<Place>| !std::ptr::eq(&*place.device, device) && place.device.is_usable();
        self.with_places(layer, |places| places.iter().any(|place| is_other(&place)))
    }

    /// How many devices offer it, whether they can be used now or not.
    pub fn num_places(&self, layer: &Layer) -> usize {
        self.with_places(layer, <[_]>::len)
    }

    /// Whether it is for one bid alone, to prove it.
    pub fn is_proof(&self) -> bool {
        matches!(self.wanted, Wanted::Bid(_))
    }

    /// Whether it may go to a device now. A proof may go to one that waits for just that.
    pub(super) fn may_use(&self, device: &Device) -> bool {
        device.is_usable() || (self.is_proof() && device.is_running())
    }

    /// What a result of it can be checked with on any thread: this crate's own form, whoever made the result.
    pub fn checker(&self) -> Option<Arc<dyn Transform>> {
        let own = || {
            let own = alg::compile(&self.name, &self.params).ok().filter(|own| own.kind() == self.kind);
            own.or_else(|| {
                let layer = self.layer()?;
                let found = layer.registry.candidates(&self.wanted);
                let bid = found.iter().find(|bid| bid.device.engine.runs_inline())?;
                bid.compile(&self.params).ok()
            })
        };
        self.checker.get_or_init(own).as_ref().map(Arc::clone)
    }

    fn look_up(&self, layer: &Layer, epoch: u64, before: &[Arc<Place>]) -> Places {
        let place = |bid: &Arc<Bid>| match before.iter().find(|place| place.id == bid.id) {
            Some(place) => Arc::clone(place),
            None => {
                let costs = layer.costs(&format!("{}/{}", bid.device.name, self.cost_key), self.kind);
                Arc::new(Place::of_bid(bid, costs))
            }
        };
        let mut all: Vec<Arc<Place>> = layer.registry.candidates(&self.wanted).iter().map(place).collect();
        // What was withdrawn goes on for those who use it already.
        let is_held = |place: &&Arc<Place>| {
            place.transform().is_some()
                && place.device.state() != State::Closed
                && all.iter().all(|new| new.id != place.id)
        };
        let held: Vec<Arc<Place>> = before.iter().filter(is_held).map(Arc::clone).collect();
        all.extend(held);
        self.has_lanes.store(all.iter().any(|place| place.device.engine.lanes() > 1), Ordering::Relaxed);
        Places { epoch, all }
    }

    /// Gives `look` the places there are now.
    pub(super) fn with_places<R>(&self, layer: &Layer, look: impl FnOnce(&[Arc<Place>]) -> R) -> R {
        let epoch = layer.registry.epoch();
        let first = self.first.get_or_init(|| self.look_up(layer, epoch, &[]));
        if first.epoch == epoch {
            return look(&first.all);
        }
        let latest = self.latest.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(latest) = latest.as_ref().filter(|latest| latest.epoch == epoch) {
            return look(&latest.all);
        }
        let before = latest.as_ref().map_or(&first.all, |latest| &latest.all);
        let fresh = Arc::new(self.look_up(layer, epoch, before));
        *self.latest.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&fresh));
        look(&fresh.all)
    }
}

impl Layer {
    /// Binds parameters and key to an algorithm, or to a driver; refuses what no device here could compile.
    pub fn bind(self: &Arc<Self>, name: &str, params: Params) -> Outcome<Bound> {
        self.alive()?;
        let (wanted, bid) = self.registry.resolve(name).ok_or_else(|| Registry::missing(name))?;
        if bid.offer.insecure && !self.settings.allow_insecure {
            return Err(Status::Usage(format!("{name} is insecure; it needs the setting allow_insecure=True")));
        }
        self.bind_to(wanted, &bid, params)
    }

    /// Binds to one bid, published or not, secure or not: this is how it is proven.
    pub fn bind_bid(self: &Arc<Self>, id: u64, params: Params) -> Outcome<Bound> {
        self.alive()?;
        let bid = self.registry.get(id).ok_or_else(|| Status::NoEngine(format!("bid {id} has been withdrawn")))?;
        self.bind_to(Wanted::Bid(Arc::clone(&bid)), &bid, params)
    }

    fn bind_to(self: &Arc<Self>, wanted: Wanted, bid: &Arc<Bid>, params: Params) -> Outcome<Bound> {
        let (name, kind) = (bid.offer.algorithm.clone(), bid.offer.kind);
        // A cipher's rounds depend on its key; a MAC's work does not, and its keys have any length.
        let is_cipher = matches!(kind, alg::Kind::Cipher | alg::Kind::Aead);
        let key_len = params.key.as_ref().filter(|_| is_cipher).map_or(0, |key| key.len());
        let cost_key = format!(
            "{name}:{}:{}:{}",
            params.level.map_or_else(String::new, |level| level.to_string()),
            params.strategy.as_deref().unwrap_or(""),
            key_len,
        );
        let verify = params.verify;
        let bound = Bound {
            shared_name: Arc::from(name.as_str()),
            name,
            kind,
            verify,
            shape: bid.offer.shape,
            wanted,
            rivalry: self.rivalry(&cost_key),
            has_lanes: AtomicBool::new(false),
            params,
            cost_key,
            layer: Arc::downgrade(self),
            first: OnceLock::new(),
            latest: RwLock::new(None),
            checker: OnceLock::new(),
        };
        // Refused now rather than at the first message; what is refused leaves nothing behind.
        if let Err(status) = self.first_place(&bound) {
            let key = bound.cost_key.clone();
            drop(bound);
            self.forget_costs(&key);
            return Err(status);
        }
        if verify && bound.checker().is_none() {
            return Err(Status::usage(format!("verify: nothing here can check {} on this thread", bound.name)));
        }
        Ok(bound)
    }
}
