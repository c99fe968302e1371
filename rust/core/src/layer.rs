//! The layer: devices, their offers, measured costs, and the choice of lane for each request.

use crate::alg::{self, Direction, Facts, Params, Transform};
use crate::buffer::{Output, Pool, Source};
use crate::cost::Costs;
use crate::device::Device;
use crate::fork;
use crate::operation::{Completion, Lane, Operation, Settled, WITHDRAWN};
use crate::queue::Refused;
use crate::registry::{Bid, Registry, Wanted};
use crate::request::{Gather, Request, Stepper, Unit, Work, cost_bytes};
use crate::status::{Outcome, Status};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

const BEST: &str = "highest priority";

/// A sum that cannot overflow: guesses of output sizes may be as large as the caller's limit.
fn total(sizes: impl Iterator<Item = usize>) -> usize {
    sizes.fold(0, usize::saturating_add)
}

/// What a layer is opened with.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Work predicted below this many nanoseconds runs on the caller's thread.
    pub inline_ns: u64,
    /// Unused output memory kept for reuse, in bytes.
    pub pool_bytes: usize,
    /// Whether algorithms that are broken or outdated may be used.
    pub allow_insecure: bool,
}

/// See the head of this file. Shareable between threads.
pub struct Layer {
    pub settings: Settings,
    pub pool: Arc<Pool>,
    devices: RwLock<Vec<Arc<Device>>>,
    pub registry: Registry,
    costs: Mutex<HashMap<String, Arc<Costs>>>,
    generation: u64,
    closed: AtomicBool,
    /// Held through closing, so that a second closer waits for the first.
    closing: Mutex<()>,
}

/// An algorithm with parameters and key, compiled lazily for each device that it meets.
pub struct Bound {
    /// The algorithm's name.
    pub name: String,
    pub kind: alg::Kind,
    wanted: Wanted,
    params: Params,
    /// Names the cost table: the algorithm and what changes its price.
    cost_key: String,
    /// Most transforms meet one device only; that meeting is read without a lock.
    first: OnceLock<Place>,
    others: Mutex<Vec<Place>>,
}

/// A transform met its device: what it takes to run there.
#[derive(Clone)]
pub struct Place {
    pub device: Arc<Device>,
    /// Held so that nobody takes it away while it is in use.
    pub bid: Arc<Bid>,
    pub transform: Arc<dyn Transform>,
    pub costs: Arc<Costs>,
    pub reason: &'static str,
}

/// What the caller asks for beside the work itself.
#[derive(Debug, Default, Clone, Copy)]
pub struct Wishes {
    pub priority: i32,
    pub deadline: Option<Duration>,
    /// Bounce instead of waiting when the queue is full.
    pub must_not_wait: bool,
}

impl Layer {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            pool: Pool::new(settings.pool_bytes),
            devices: RwLock::new(Vec::new()),
            registry: Registry::default(),
            costs: Mutex::new(HashMap::new()),
            generation: fork::generation(),
            closed: AtomicBool::new(false),
            closing: Mutex::new(()),
        }
    }

    /// Whether this is still the process that opened the layer.
    pub fn is_ours(&self) -> bool {
        self.generation == fork::generation()
    }

    /// Refuses to go on in a forked child or after closing.
    pub fn alive(&self) -> Outcome<()> {
        if !self.is_ours() {
            return Err(Status::Closed("the layer was opened by the parent process; open a fresh one after a fork"));
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(Status::Closed("the layer is closed"));
        }
        Ok(())
    }

    /// Adds an opened device. What it offers is entered in the registry, by whoever proves it.
    pub fn add_device(&self, device: Arc<Device>) {
        self.devices.write().unwrap_or_else(PoisonError::into_inner).push(device);
    }

    /// Adds an opened device and publishes all its engine's offers unproven: for tests of the core.
    pub fn add(&self, device: Arc<Device>) {
        for id in self.registry.enter(&device, device.engine.offers()) {
            self.registry.publish(id, true);
        }
        self.add_device(device);
    }

    /// Closes a device and forgets it. Its bids have been withdrawn.
    pub fn remove_device(&self, device: &Arc<Device>) {
        let mut devices = self.devices.write().unwrap_or_else(PoisonError::into_inner);
        devices.retain(|other| !Arc::ptr_eq(other, device));
        drop(devices);
        let own = format!("{}/", device.name);
        self.costs.lock().unwrap_or_else(PoisonError::into_inner).retain(|key, _| !key.starts_with(&own));
        device.close();
    }

    pub fn devices(&self) -> Vec<Arc<Device>> {
        self.devices.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Binds parameters and key to an algorithm, or to a driver; refuses what no device here could compile.
    pub fn bind(&self, name: &str, params: Params) -> Outcome<Bound> {
        self.alive()?;
        let (wanted, bid) = self.registry.resolve(name).ok_or_else(|| Registry::missing(name))?;
        if bid.offer.insecure && !self.settings.allow_insecure {
            return Err(Status::Usage(format!("{name} is insecure; it needs the setting allow_insecure=True")));
        }
        self.bind_to(wanted, &bid, params)
    }

    /// Binds to one bid, published or not, secure or not: this is how it is proven.
    pub fn bind_bid(&self, id: u64, params: Params) -> Outcome<Bound> {
        self.alive()?;
        let bid = self.registry.get(id).ok_or_else(|| Status::NoEngine(format!("bid {id} has been withdrawn")))?;
        self.bind_to(Wanted::Bid(Arc::clone(&bid)), &bid, params)
    }

    fn bind_to(&self, wanted: Wanted, bid: &Arc<Bid>, params: Params) -> Outcome<Bound> {
        let (name, kind) = (bid.offer.algorithm.clone(), bid.offer.kind);
        // A cipher's rounds depend on its key; a MAC's work does not, and its keys have any length.
        let is_cipher = matches!(kind, alg::Kind::Cipher | alg::Kind::Aead);
        let key_len = params.key.as_ref().filter(|_| is_cipher).map_or(0, |key| key.len());
        let cost_key = format!(
            "{name}:{}:{}:{}",
            params.level.unwrap_or(i32::MIN),
            params.strategy.as_deref().unwrap_or(""),
            key_len,
        );
        let (first, others) = (OnceLock::new(), Mutex::new(Vec::new()));
        let bound = Bound { name, kind, wanted, params, cost_key, first, others };
        self.place(&bound, None)?;
        Ok(bound)
    }

    /// Where a request of this transform goes: the named device, or the best bid that is usable. Meeting a device for the
    /// first time compiles for it, which for a composition may wait for an engine.
    pub fn place<'b>(&self, bound: &'b Bound, device: Option<&str>) -> Outcome<Cow<'b, Place>> {
        match self.ready(bound).filter(|_| device.is_none()) {
            Some(place) => Ok(Cow::Borrowed(place)),
            None => self.choose(bound, device, |_| true).map(Cow::Owned),
        }
    }

    /// Where this transform went before, if that is usable: takes no lock and waits for nothing.
    pub fn ready<'b>(&self, bound: &'b Bound) -> Option<&'b Place> {
        bound.first.get().filter(|place| place.device.is_usable())
    }

    /// Where the steps of a stream go.
    pub fn place_steps(&self, bound: &Bound) -> Outcome<Place> {
        self.choose(bound, None, |bid| bid.device.engine.runs_steps())
    }

    fn choose(&self, bound: &Bound, device: Option<&str>, suits: impl Fn(&Bid) -> bool) -> Outcome<Place> {
        let mut declined = Vec::new();
        for bid in self.registry.candidates(&bound.wanted) {
            if device.is_some_and(|name| *name != *bid.device.name) || !suits(&bid) {
                continue;
            }
            if !bid.device.is_usable() {
                declined.push(format!("{} is {}", bid.device.name, bid.device.state().name()));
                continue;
            }
            let reason = match (device, declined.is_empty()) {
                (Some(_), _) => "bound by the caller",
                (None, true) => BEST,
                (None, false) => "the devices before it are not usable",
            };
            return self.meet(bound, &bid, reason);
        }
        let name = &bound.name;
        Err(Status::NoEngine(match device {
            Some(device) if declined.is_empty() => {
                let known: Vec<String> = self.devices().iter().map(|d| d.name.to_string()).collect();
                format!("no device {device:?} offers {name}; devices here: {}", known.join(", "))
            }
            _ if declined.is_empty() => format!("no device here offers {name}"),
            _ => format!("no usable device offers {name}: {}", declined.join(", ")),
        }))
    }

    fn meet(&self, bound: &Bound, bid: &Arc<Bid>, reason: &'static str) -> Outcome<Place> {
        if let Some(place) = bound.first.get().filter(|place| Arc::ptr_eq(&place.bid, bid)) {
            return Ok(Place { reason, ..place.clone() });
        }
        let mut others = bound.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = others.iter().find(|place| Arc::ptr_eq(&place.bid, bid)) {
            return Ok(Place { reason, ..place.clone() });
        }
        let transform = bid.compile(&bound.params)?;
        let device = Arc::clone(&bid.device);
        let costs = self.costs(&format!("{}/{}", device.name, bound.cost_key), bound.kind);
        let place = Place { device, bid: Arc::clone(bid), transform, costs, reason };
        if let Err(place) = bound.first.set(place.clone()) {
            others.push(place);
        }
        Ok(place)
    }

    fn costs(&self, key: &str, kind: alg::Kind) -> Arc<Costs> {
        let mut costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(costs.entry(key.to_string()).or_insert_with(|| Arc::new(Costs::new(kind))))
    }

    /// Every cost table, by device and algorithm.
    pub fn all_costs(&self) -> Vec<(String, Arc<Costs>)> {
        let costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = costs.iter().map(|(key, costs)| (key.clone(), Arc::clone(costs))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    }

    /// Whether work of this predicted time runs on the caller's own thread.
    pub fn is_inline(&self, place: &Place, predicted_ns: u64) -> bool {
        place.device.engine.runs_inline() && predicted_ns < self.settings.inline_ns
    }

    /// Runs a unit on this thread; its result is left in its output. `None` if it has reached `limit` without reaching
    /// the caller's own `max_output`: it is too large for this lane, nothing was counted, and it is to be submitted.
    pub fn run_inline(
        &self,
        place: &Place,
        unit: &mut Unit,
        direction: Direction,
        limit: u64,
        max_output: u64,
    ) -> Option<(Outcome<Facts>, Completion)> {
        let bytes = cost_bytes(unit, direction, limit);
        let bytes_in = unit.source.len() as u64;
        let started = Instant::now();
        let outcome = unit.attempt(&*place.transform, direction, limit);
        if limit < max_output && outcome == Err(Status::LimitExceeded { limit }) {
            return None;
        }
        let run_ns = started.elapsed().as_nanos() as u64;
        let stats = &place.device.stats;
        let mut bytes_out = 0;
        if outcome.is_ok() {
            // Failures end early: they say nothing of what the work costs.
            place.costs.record(direction, bytes, run_ns);
            bytes_out = unit.output.len() as u64;
            stats.completed.fetch_add(1, Ordering::Relaxed);
        } else {
            stats.failed.fetch_add(1, Ordering::Relaxed);
        }
        stats.inline.fetch_add(1, Ordering::Relaxed);
        stats.bytes_in.fetch_add(bytes_in, Ordering::Relaxed);
        stats.bytes_out.fetch_add(bytes_out, Ordering::Relaxed);
        stats.busy_ns.fetch_add(run_ns, Ordering::Relaxed);
        let completion = Completion {
            device: Arc::clone(&place.device.name),
            driver: place.transform.driver(direction),
            reason: place.reason,
            lane: Lane::Inline,
            queue_ns: 0,
            run_ns,
            attempts: 1,
            bytes_in,
            bytes_out,
        };
        Some((outcome, completion))
    }

    /// Runs several units on this thread, one after the other.
    pub fn run_batch(&self, place: &Place, units: Vec<Unit>, direction: Direction, max_output: u64) -> Settled {
        let num = units.len() as u64;
        let bytes_in: usize = units.iter().map(|unit| unit.source.len()).sum();
        let first = units.first().map_or(0, |unit| cost_bytes(unit, direction, max_output));
        let started = Instant::now();
        let mut results = Vec::with_capacity(units.len());
        let (mut bytes_out, mut failed) = (0, 0);
        for unit in units {
            let result = unit.run(&*place.transform, direction, max_output);
            match &result {
                Ok((output, _)) => bytes_out += output.len() as u64,
                Err(_) => failed += 1,
            }
            results.push(result);
        }
        let run_ns = started.elapsed().as_nanos() as u64;
        if failed == 0 {
            place.costs.record(direction, first, run_ns / num.max(1));
        }
        let stats = &place.device.stats;
        stats.submitted.fetch_add(num, Ordering::Relaxed);
        stats.batch.fetch_add(num, Ordering::Relaxed);
        stats.completed.fetch_add(num - failed, Ordering::Relaxed);
        stats.failed.fetch_add(failed, Ordering::Relaxed);
        stats.bytes_in.fetch_add(bytes_in as u64, Ordering::Relaxed);
        stats.bytes_out.fetch_add(bytes_out, Ordering::Relaxed);
        stats.busy_ns.fetch_add(run_ns, Ordering::Relaxed);
        let completion = Completion {
            device: Arc::clone(&place.device.name),
            driver: place.transform.driver(direction),
            reason: place.reason,
            lane: Lane::Batch,
            queue_ns: 0,
            run_ns,
            attempts: 1,
            bytes_in: bytes_in as u64,
            bytes_out,
        };
        Settled { units: results, completion }
    }

    /// Queues work; several units are shared among the device's workers and settle together.
    #[allow(clippy::too_many_arguments)] // the one place where everything a request needs comes together
    pub fn submit(
        &self,
        place: &Place,
        units: Vec<Unit>,
        direction: Direction,
        max_output: u64,
        wishes: Wishes,
        operation: &Arc<Operation>,
    ) -> Outcome<()> {
        self.alive()?;
        let lane = if units.len() > 1 { Lane::Batch } else { Lane::Queued };
        let parts = if lane == Lane::Batch { place.device.options.workers.clamp(1, units.len()) } else { 1 };
        let gather = (parts > 1).then(|| Gather::new(units.len(), parts));
        let share = units.len().div_ceil(parts).max(1);
        let mut first = 0;
        let mut units = units.into_iter();
        let mut requests = Vec::with_capacity(parts);
        for _ in 0..parts {
            let own: Vec<Unit> = units.by_ref().take(share).collect();
            let len = own.len();
            let gather = gather.as_ref().map(|gather| (Arc::clone(gather), first));
            let work = Work::Transform { transform: Arc::clone(&place.transform), direction, max_output };
            requests.push(self.request(
                place,
                work,
                own,
                place.transform.driver(direction),
                lane,
                wishes,
                operation,
                gather,
            ));
            first += len;
        }
        // Told apart from a request whose part was refused: all parts go, or none.
        self.enqueue(place, requests, wishes)
    }

    /// Queues the next step of a stream.
    pub fn submit_step(
        &self,
        place: &Place,
        stepper: Box<dyn Stepper>,
        driver: &'static str,
        unit: Unit,
        operation: &Arc<Operation>,
    ) -> Outcome<()> {
        self.alive()?;
        let wishes = Wishes::default();
        let request =
            self.request(place, Work::Step(stepper), vec![unit], driver, Lane::Queued, wishes, operation, None);
        self.enqueue(place, vec![request], wishes)
    }

    #[allow(clippy::too_many_arguments)] // as above
    fn request(
        &self,
        place: &Place,
        work: Work,
        units: Vec<Unit>,
        driver: &'static str,
        lane: Lane,
        wishes: Wishes,
        operation: &Arc<Operation>,
        gather: Option<(Arc<Gather>, usize)>,
    ) -> Request {
        let now = Instant::now();
        let source_bytes = total(units.iter().map(|unit| unit.source.len()));
        let read_bytes = total(units.iter().map(Unit::len));
        let bytes = match &work {
            Work::Transform { transform, direction, max_output } => {
                let out = total(units.iter().map(|unit| transform.capacity(&unit.call(*direction, *max_output))));
                read_bytes.saturating_add(out)
            }
            Work::Step(_) => read_bytes,
        };
        Request {
            work,
            units,
            operation: Arc::clone(operation),
            device: Arc::clone(&place.device),
            bid: Some(Arc::clone(&place.bid)),
            costs: Arc::clone(&place.costs),
            gather,
            priority: wishes.priority,
            deadline: wishes.deadline.and_then(|d| now.checked_add(d)),
            submitted: now,
            driver,
            reason: place.reason,
            lane,
            bytes,
            source_bytes: source_bytes as u64,
            attempts: 1,
            open: true,
            budgeted: false,
        }
    }

    fn enqueue(&self, place: &Place, requests: Vec<Request>, wishes: Wishes) -> Outcome<()> {
        let stats = &place.device.stats;
        for request in requests {
            let units = request.units.len() as u64;
            let counter = if request.lane == Lane::Batch { &stats.batch } else { &stats.queued };
            let withdrawn = WITHDRAWN.load(Ordering::Acquire);
            let first_of_many = request.gather.as_ref().is_none_or(|(_, first)| *first == 0);
            let refused = if wishes.must_not_wait && first_of_many {
                place.device.queue.try_push(request, withdrawn)
            } else {
                place.device.queue.push(request, withdrawn)
            };
            match refused {
                Ok(()) => {
                    counter.fetch_add(units, Ordering::Relaxed);
                    stats.submitted.fetch_add(units, Ordering::Relaxed);
                }
                Err(Refused::Full(mut request)) => {
                    request.open = false;
                    let budget = place.device.queue.budget();
                    return Err(Status::QueueFull(format!(
                        "the queue of {} is full ({} operations, {} bytes)",
                        place.device.name, budget.operations, budget.bytes
                    )));
                }
                Err(Refused::Closed(mut request)) => {
                    if first_of_many {
                        request.open = false;
                        return Err(Status::Closed("the layer is closed"));
                    }
                    // Its siblings are on their way, so the operation ends through them: dropping fails this part.
                }
            }
        }
        Ok(())
    }

    /// An output for one unit from the pool.
    pub fn output(&self) -> Output {
        Output::pooled(&self.pool)
    }

    /// A unit without extras, from the pool.
    pub fn unit(&self, source: Source) -> Unit {
        Unit { source, extra: None, output: self.output() }
    }

    /// Ends everything: queued requests fail, running ones are waited for. Idempotent; does nothing in a forked child.
    pub fn close(&self) {
        if !self.is_ours() {
            return;
        }
        let _turn = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        // All shut before any is waited for: the workers of one may be waiting for another.
        let devices = self.devices();
        devices.iter().for_each(|device| device.shut());
        devices.iter().for_each(|device| device.close());
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        self.close();
    }
}
