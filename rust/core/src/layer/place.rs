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
use crate::balancers::{Asked, Choice, Seat};
use crate::cost::{Costs, Rivalry};
use crate::device::{Device, State};
use crate::engine::Limits;
use crate::registry::{Bid, Registry, Wanted};
use crate::status::{Outcome, Status};
use crate::template::Shape;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, Weak};

const ONLY: &str = "highest priority";
/// Waking a worker, and the way back: what a request costs beyond its run when it is queued.
const HAND_OVER_NS: u64 = 15_000;

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
    params: Params,
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
struct Keyed {
    _bid: Option<Arc<Bid>>,
    transform: Arc<dyn Transform>,
}

/// A bid that a transform may be run by, and all that is needed to do so.
pub struct Place {
    pub device: Arc<Device>,
    pub limits: Limits,
    pub costs: Arc<Costs>,
    priority: i32,
    is_wrapper: bool,
    id: u64,
    bid: Weak<Bid>,
    /// Compiled on first use; or why it cannot be.
    keyed: OnceLock<Outcome<Keyed>>,
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

    fn meet(&self, params: &Params) -> Outcome<&Arc<dyn Transform>> {
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
    fn may_use(&self, device: &Device) -> bool {
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
    fn with_places<R>(&self, layer: &Layer, look: impl FnOnce(&[Arc<Place>]) -> R) -> R {
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

    /// Like [`choose`](Self::choose), if every place has compiled it, or refused to: then nothing is waited for.
    pub fn choose_met(&self, bound: &Bound, ask: &Ask<'_>) -> Option<Outcome<Chosen>> {
        bound.with_places(self, |places| {
            let is_met = places.iter().all(|place| place.keyed.get().is_some());
            is_met.then(|| self.choose_in(bound, places, ask))
        })
    }

    /// A place that has compiled it, whichever is the strongest.
    pub fn first_place(&self, bound: &Bound) -> Outcome<Arc<Place>> {
        let ask = Ask::of(bound.kind.directions().first().copied().unwrap_or(Direction::Digest), 0);
        bound.with_places(self, |places| {
            let mut refused = None;
            for place in places.iter().filter(|place| place.device.is_running()) {
                match place.meet(&bound.params) {
                    Ok(_) => return Ok(Arc::clone(place)),
                    Err(status) => refused = refused.or(Some(status)),
                }
            }
            Err(refused.unwrap_or_else(|| self.nobody(bound, places, &ask)))
        })
    }

    /// Where the steps of a stream go, which are the work of `driver`.
    pub fn place_steps(&self, bound: &Bound, driver: &'static str) -> Outcome<Chosen> {
        bound.with_places(self, |places| {
            let place = places.iter().find(|place| place.device.is_usable() && place.device.engine.runs_steps());
            match place {
                Some(place) => {
                    let plain = Place::plain(&place.device, bound.kind);
                    let plain = Place { step_driver: Some(driver), bid: place.bid.clone(), ..plain };
                    // Held as a transform holds it: while the stream lives, nobody takes the offer away.
                    let held = place.bid.upgrade();
                    Ok(Chosen { place: Arc::new(Place { _held: held, ..plain }), reason: ONLY, runs_here: false })
                }
                None => Err(Status::NoEngine(format!("no device here runs the steps of {}", bound.name))),
            }
        })
    }

    /// Where a request of this transform goes. Meeting a device for the first time compiles for it, which for a
    /// composition may wait for an engine.
    pub fn choose(&self, bound: &Bound, ask: &Ask<'_>) -> Outcome<Chosen> {
        bound.with_places(self, |places| self.choose_in(bound, places, ask))
    }

    fn choose_in(&self, bound: &Bound, places: &[Arc<Place>], ask: &Ask<'_>) -> Outcome<Chosen> {
        if let ([place], true) = (places, bound.is_proof())
            && !place.limits.takes(ask.direction, ask.bytes)
            && let Some(checker) = bound.checker()
        {
            // What an offer does not take cannot be wrong there; proofs go on with the reference in its place.
            let costs = Arc::new(Costs::new(bound.kind));
            let place = Arc::new(Place::of(&place.device, None, checker, costs));
            return Ok(Chosen { place, reason: "beyond the offer's limits: by the reference", runs_here: true });
        }
        match ask.device {
            Some(name) => self.choose_named(bound, places, name, ask),
            None => match places {
                [place] if bound.may_use(&place.device) && place.limits.takes(ask.direction, ask.bytes) => {
                    if ask.tried.contains(&place.device.number()) {
                        return Err(self.nobody(bound, places, ask));
                    }
                    place.meet(&bound.params)?;
                    Ok(Chosen { place: Arc::clone(place), reason: ONLY, runs_here: false })
                }
                _ => self.choose_among(bound, places, ask),
            },
        }
    }

    fn choose_named(&self, bound: &Bound, places: &[Arc<Place>], name: &str, ask: &Ask<'_>) -> Outcome<Chosen> {
        let Some(place) = places.iter().find(|place| *place.device.name == *name) else {
            let known: Vec<String> = self.devices().iter().map(|device| device.name.to_string()).collect();
            let devices = known.join(", ");
            return Err(Status::NoEngine(format!("no device {name:?} offers {}; devices here: {devices}", bound.name)));
        };
        if !bound.may_use(&place.device) {
            self.alive()?;
            let why = told_state(&place.device);
            return Err(Status::NoEngine(format!("no usable device offers {}: {why}", bound.name)));
        }
        if !place.limits.takes(ask.direction, ask.bytes) {
            return Err(self.nobody(bound, std::slice::from_ref(place), ask));
        }
        place.meet(&bound.params)?;
        Ok(Chosen { place: Arc::clone(place), reason: "bound by the caller", runs_here: false })
    }

    fn choose_among(&self, bound: &Bound, places: &[Arc<Place>], ask: &Ask<'_>) -> Outcome<Chosen> {
        let mut declined: Option<Status> = None;
        let mut refused: u64 = 0; // by index: compiling failed there
        // A quarantined device is better than none, unless it has lied.
        let is_there = |place: &Place| bound.may_use(&place.device);
        let is_desperate = !places.iter().any(|place| is_there(place) && place.limits.takes(ask.direction, ask.bytes));
        let fits = |index: usize, place: &Place, refused: u64, tried: &[u32]| {
            (index >= 64 || refused & (1 << index) == 0)
                && (is_there(place) || (is_desperate && place.device.is_last_resort(bound.verify)))
                && place.limits.takes(ask.direction, ask.bytes)
                && !tried.contains(&place.device.number())
        };
        loop {
            let mut candidates: [Option<(usize, &Arc<Place>)>; SEATS] = [None; SEATS];
            let mut count = 0;
            let (mut skipped, mut is_out) = (false, false);
            let mut least = 0;
            for (index, place) in places.iter().enumerate() {
                if !fits(index, place, refused, ask.tried) {
                    (skipped, is_out) = (true, is_out || !is_there(place));
                    continue;
                }
                if place.is_wrapper && count == 0 {
                    candidates[0] = Some((index, place));
                    count = 1;
                    break;
                }
                if place.is_wrapper || (count > 0 && place.priority < 0 && least >= 0) {
                    continue; // a wrapper that is not the strongest, or a last resort that is not needed
                }
                let rivals = |other: &Place| !other.is_wrapper && (other.priority >= 0 || place.priority < 0);
                if !place.device.may_trickle()
                    && places.iter().enumerate().any(|(i, other)| {
                        i != index && rivals(other) && fits(i, other, refused, ask.tried) && other.device.may_trickle()
                    })
                {
                    continue;
                }
                if let Some(slot) = candidates.get_mut(count) {
                    *slot = Some((index, place));
                    count += 1;
                    least = place.priority;
                }
            }
            let found = candidates.get(..count).unwrap_or(&[]);
            let (index, place, reason) = match found {
                [] => return Err(declined.unwrap_or_else(|| self.nobody(bound, places, ask))),
                [Some((index, place))] => {
                    let reason = match (is_desperate, skipped) {
                        (true, _) => "quarantined, and nobody else is there",
                        (false, true) if is_out => "the devices before it are not usable",
                        (false, true) => "the devices before it cannot take it",
                        (false, false) => ONLY,
                    };
                    (*index, *place, reason)
                }
                _ => self.balance(bound, found, ask)?,
            };
            match place.meet(&bound.params) {
                Ok(_) => return Ok(Chosen { place: Arc::clone(place), reason, runs_here: false }),
                Err(status) if index < 64 => {
                    declined = Some(status);
                    refused |= 1 << index;
                }
                Err(status) => return Err(status),
            }
        }
    }

    fn balance<'p>(
        &self,
        bound: &Bound,
        found: &[Option<(usize, &'p Arc<Place>)>],
        ask: &Ask<'_>,
    ) -> Outcome<(usize, &'p Arc<Place>, &'static str)> {
        const EMPTY: Seat<'static> = Seat {
            device: "",
            engine: "",
            number: 0,
            priority: 0,
            operations: 0,
            ready_ns: 0,
            run_ns: 0,
            samples: 0,
            has_room: false,
        };
        // Setting up room for many costs as much as looking at four.
        let (mut few, mut many);
        let all: &mut [Seat<'_>] = if found.len() <= FEW {
            few = [EMPTY; FEW];
            &mut few
        } else {
            many = [EMPTY; SEATS];
            &mut many
        };
        let mut count = 0;
        for (seat, (_, place)) in all.iter_mut().zip(found.iter().flatten()) {
            *seat = self.seat_of(place, ask);
            count += 1;
        }
        let seats = all.get(..count).unwrap_or(&[]);
        // Where nobody has lanes it makes no difference how many there are.
        let has_lanes = found.iter().flatten().any(|(_, place)| place.device.engine.lanes() > 1);
        let depth = if has_lanes { ask.depth } else { 1 };
        let asked = Asked {
            algorithm: &bound.name,
            direction: ask.direction,
            bytes: ask.bytes,
            priority: ask.priority,
            client: ask.client,
            device_count: self.num_devices.load(Ordering::Relaxed),
            rivalry: bound.rivalry.at(depth),
        };
        let balancer = self.balancer();
        let choice = if ask.is_peek { balancer.peek(&asked, seats) } else { balancer.find_device(&asked, seats) };
        let chosen = choice.and_then(|choice| Some((found.get(choice.seat)?.as_ref()?, choice)));
        let Some(((index, place), Choice { seat, reason })) = chosen else {
            let name = self.balancer().name().to_string();
            return Err(Status::NoEngine(format!("the balancer {name} found no device for {}", bound.name)));
        };
        // Somewhere else than the strongest, since that has no room: a spill.
        let full = !ask.is_peek && seats.iter().take(seat).any(|seat| !seat.has_room);
        if reason.starts_with("the balancer") && !ask.is_peek {
            self.fell_back(reason);
        }
        if full && seats.get(seat).is_some_and(|seat| seat.has_room) {
            place.device.stats.spilled.fetch_add(1, Ordering::Relaxed);
            self.fell_back("a stronger device was full");
        }
        Ok((*index, place, reason))
    }

    fn seat_of<'p>(&self, place: &'p Place, ask: &Ask<'_>) -> Seat<'p> {
        let device = &place.device;
        let operations = device.queue.len();
        // What waits there already is company.
        let costs = place.costs.at(ask.depth.max(operations + 1));
        let run_ns = costs.predict(ask.direction, ask.bytes);
        let is_inline = device.engine.runs_inline() && run_ns < self.settings.inline_ns;
        let stays = ask.here.is_some_and(|here| std::ptr::eq(here, &**device));
        Seat {
            device: &device.name,
            engine: device.engine.name(),
            number: device.number(),
            priority: place.priority,
            operations,
            ready_ns: if is_inline || stays { 0 } else { device.ready_ns().saturating_add(HAND_OVER_NS) },
            run_ns,
            samples: costs.samples(ask.direction, ask.bytes),
            has_room: is_inline || device.queue.has_room(ask.bytes, place.limits.queue),
        }
    }

    fn nobody(&self, bound: &Bound, places: &[Arc<Place>], ask: &Ask<'_>) -> Status {
        if let Err(closed) = self.alive() {
            return closed;
        }
        let name = &bound.name;
        let why = |place: &Arc<Place>| {
            let device = &place.device;
            if !device.is_usable() {
                told_state(device)
            } else if !place.limits.takes(ask.direction, 0) {
                format!("{} has no {}", device.name, ask.direction.name())
            } else if !place.limits.takes(ask.direction, ask.bytes) {
                let most = place.limits.max_bytes;
                format!("{} takes at most {most} bytes, not {}", device.name, ask.bytes)
            } else {
                format!("{} has been tried", device.name)
            }
        };
        let declined: Vec<String> = places.iter().map(why).collect();
        Status::NoEngine(if declined.is_empty() {
            format!("no device here offers {name}")
        } else {
            format!("no usable device offers {name}: {}", declined.join(", "))
        })
    }
}

/// How many devices a layer has as a rule, at most.
const FEW: usize = 4;
/// A device's state, and the reason for it, for messages.
fn told_state(device: &Device) -> String {
    let (name, state, why) = (&device.name, device.state().name(), device.why());
    if why.is_empty() { format!("{name} is {state}") } else { format!("{name} is {state} ({why})") }
}

/// Most devices that a balancer is shown at once; the weakest beyond that are left out.
const SEATS: usize = 16;
