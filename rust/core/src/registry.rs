//! Who bids for what: every offer of every device, by algorithm and by driver, hidden until it is proven.
//!
//! Names and rules are those of Linux's crypto core (crypto/api.c, crypto/algapi.c): an exact driver name wins, else the
//! highest priority among the bids for an algorithm, the older one among equals; only what was published is found. A bid
//! that is withdrawn leaves lookup at once and lives as long as somebody uses it. What an offer may be called, when it is
//! tested and which template makes it is decided above, in Python: it happens once per offer, not per request.

use crate::alg::{Kind, Params, Transform};
use crate::device::Device;
use crate::engine::{Offer, intern};
use crate::engines::via::Via;
use crate::status::{Outcome, Status};
use crate::template::{Composition, Part, Shape};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

/// Told when the last user of a bid has gone.
#[derive(Default)]
struct Gone {
    has: Mutex<bool>,
    turn: Condvar,
}

/// One device's offer, as the layer keeps it. Whoever can run it holds a reference.
pub struct Bid {
    pub id: u64,
    pub device: Arc<Device>,
    pub offer: Offer,
    /// What it is made of, if a template made it; else the device's engine compiles it.
    composition: Option<Composition>,
    published: AtomicBool,
    gone: Arc<Gone>,
}

impl Bid {
    /// The algorithm with parameters and key, as this bid's device runs it.
    pub fn compile(&self, params: &Params) -> Outcome<Arc<dyn Transform>> {
        match &self.composition {
            Some(composition) => composition.compile(params),
            None => self.device.engine.compile(&self.offer, params),
        }
    }

    /// Whether it only changes how something is run: `cryptd(..)`, `pcrypt(..)`.
    pub fn is_wrapper(&self) -> bool {
        self.composition.as_ref().is_some_and(|made| matches!(made.template.as_str(), "cryptd" | "pcrypt"))
    }

    /// Whether allocations find it.
    pub fn is_published(&self) -> bool {
        self.published.load(Ordering::Acquire)
    }
}

impl Drop for Bid {
    fn drop(&mut self) {
        *self.gone.has.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.gone.turn.notify_all();
    }
}

/// A bid as part of a composition: runs here if that can be on any thread, else through its device's queue.
///
/// A composition can, wherever it would run by itself: what it waits for are the engines of its own parts. So no host
/// of compositions ever waits for another, or for itself.
struct Inner(Arc<Bid>);

impl Part for Inner {
    fn name(&self) -> &str {
        &self.0.offer.algorithm
    }
    fn kind(&self) -> Kind {
        self.0.offer.kind
    }
    fn shape(&self) -> Shape {
        self.0.offer.shape
    }
    fn compile(&self, params: &Params) -> Outcome<Arc<dyn Transform>> {
        let transform = self.0.compile(params)?;
        let is_here = self.0.composition.is_some() || self.0.device.engine.runs_inline();
        Ok(if is_here { transform } else { Arc::new(Via::new(Arc::clone(&self.0), transform)) })
    }
}

#[derive(Default)]
struct Tables {
    all: BTreeMap<u64, Arc<Bid>>,
    /// Best bid first.
    by_algorithm: HashMap<String, Vec<Arc<Bid>>>,
    by_driver: HashMap<String, Vec<Arc<Bid>>>,
    leaving: HashMap<u64, Weak<Gone>>,
}

/// References to a bid that the tables themselves hold.
const OWN_REFERENCES: usize = 3;

/// What a caller names.
#[derive(Clone)]
pub enum Wanted {
    Algorithm(String),
    Driver(String),
    /// One bid, published or not.
    Bid(Arc<Bid>),
}

/// See the head of this file. Shareable between threads.
#[derive(Default)]
pub struct Registry {
    tables: RwLock<Tables>,
    last: AtomicU64,
    /// Counts what was published or withdrawn, and what happened to devices.
    epoch: AtomicU64,
}

fn place(list: &mut Vec<Arc<Bid>>, bid: &Arc<Bid>) {
    let at = list.partition_point(|other| other.offer.priority >= bid.offer.priority);
    list.insert(at, Arc::clone(bid));
}

impl Registry {
    /// A number that is another one once anything has changed that a choice depends on.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whoever keeps a list of what there is must look again.
    pub fn changed(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Enters offers of a device, hidden; their numbers, in order. The caller has checked them.
    pub fn enter(&self, device: &Arc<Device>, offers: Vec<Offer>) -> Vec<u64> {
        offers.into_iter().map(|offer| self.enter_one(device, offer, None)).collect()
    }

    /// Enters what a template makes of other bids, hidden. `None` if one of them has left meanwhile.
    pub fn compose(&self, device: &Arc<Device>, offer: Offer, template: &str, parts: &[u64]) -> Option<u64> {
        let bids: Option<Vec<Arc<Bid>>> = parts.iter().map(|&id| self.get(id)).collect();
        let parts = bids?.into_iter().map(|bid| Arc::new(Inner(bid)) as Arc<dyn Part>).collect();
        let composition = Composition {
            template: template.to_string(),
            name: offer.algorithm.clone(),
            driver: intern(&offer.driver),
            kind: offer.kind,
            shape: offer.shape,
            parts,
        };
        Some(self.enter_one(device, offer, Some(composition)))
    }

    fn enter_one(&self, device: &Arc<Device>, offer: Offer, composition: Option<Composition>) -> u64 {
        let id = self.last.fetch_add(1, Ordering::AcqRel) + 1;
        let device = Arc::clone(device);
        let bid = Bid { id, device, offer, composition, published: AtomicBool::new(false), gone: Arc::default() };
        let bid = Arc::new(bid);
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        place(tables.by_algorithm.entry(bid.offer.algorithm.clone()).or_default(), &bid);
        place(tables.by_driver.entry(bid.offer.driver.clone()).or_default(), &bid);
        tables.all.insert(id, bid);
        id
    }

    pub fn get(&self, id: u64) -> Option<Arc<Bid>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).all.get(&id).cloned()
    }

    /// Lets allocations find a bid, or no longer.
    pub fn publish(&self, id: u64, visible: bool) {
        if let Some(bid) = self.get(id) {
            bid.published.store(visible, Ordering::Release);
            self.changed();
        }
    }

    /// Takes a bid out of all lookup; who uses it goes on.
    pub fn withdraw(&self, id: u64) {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        let Some(bid) = tables.all.remove(&id) else { return };
        bid.published.store(false, Ordering::Release);
        let Tables { by_algorithm, by_driver, leaving, .. } = &mut *tables;
        for (lists, name) in [(by_algorithm, &bid.offer.algorithm), (by_driver, &bid.offer.driver)] {
            if let Some(list) = lists.get_mut(name) {
                list.retain(|other| other.id != id);
                if list.is_empty() {
                    lists.remove(name);
                }
            }
        }
        leaving.retain(|_, gone| gone.strong_count() > 0);
        leaving.insert(id, Arc::downgrade(&bid.gone));
        drop(tables);
        self.changed();
    }

    /// Waits until nobody uses a withdrawn bid any more; false if the time runs out first.
    pub fn wait_free(&self, id: u64, timeout: Option<Duration>) -> bool {
        let gone = self.tables.read().unwrap_or_else(PoisonError::into_inner).leaving.get(&id).and_then(Weak::upgrade);
        let Some(gone) = gone else { return true };
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut has = gone.has.lock().unwrap_or_else(PoisonError::into_inner);
        while !*has {
            has = match until {
                None => gone.turn.wait(has).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    gone.turn.wait_timeout(has, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        drop(has);
        self.tables.write().unwrap_or_else(PoisonError::into_inner).leaving.remove(&id);
        true
    }

    /// Transforms and compositions that hold a bid; 0 for one that has left.
    pub fn users(&self, id: u64) -> usize {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.all.get(&id).map_or(0, |bid| Arc::strong_count(bid).saturating_sub(OWN_REFERENCES))
    }

    /// What a name means here: a driver's if there is one, else an algorithm's. With the best bid that is published.
    pub fn resolve(&self, name: &str) -> Option<(Wanted, Arc<Bid>)> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let best =
            |lists: &HashMap<String, Vec<Arc<Bid>>>| lists.get(name)?.iter().find(|bid| bid.is_published()).cloned();
        if let Some(bid) = best(&tables.by_driver) {
            return Some((Wanted::Driver(name.to_string()), bid));
        }
        let listed = tables.by_algorithm.get(name)?;
        let mut published = listed.iter().filter(|bid| bid.is_published());
        // Lanes are for many at once: where a template can make the same of others' parts, it is to be asked as well.
        let stands = |bid: &&Arc<Bid>| bid.device.engine.lanes() == 1 || !name.contains('(');
        published.find(stands).map(|bid| (Wanted::Algorithm(name.to_string()), Arc::clone(bid)))
    }

    /// Every published bid for what is wanted, best first.
    pub fn candidates(&self, wanted: &Wanted) -> Vec<Arc<Bid>> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let list = match wanted {
            Wanted::Algorithm(name) => tables.by_algorithm.get(name),
            Wanted::Driver(name) => tables.by_driver.get(name),
            Wanted::Bid(bid) => return vec![Arc::clone(bid)],
        };
        list.map(|list| list.iter().filter(|bid| bid.is_published()).cloned().collect()).unwrap_or_default()
    }

    /// An error that tells why a name gives nothing.
    pub fn missing(name: &str) -> Status {
        if crate::alg::find(name).is_some() {
            Status::NoEngine(format!("no device here offers {name}"))
        } else {
            crate::alg::unknown(name)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::alg::{Call, Direction};
    use crate::buffer::{Output, Pool, Source};
    use crate::device::Options;
    use crate::engine::Engine;
    use crate::engines::faulty::{Fault, Faulty, Kind as FaultKind};
    use crate::engines::software::Software;
    use crate::queue::Budget;

    fn device(name: &str, engine: Arc<dyn Engine>) -> Arc<Device> {
        let options = Options {
            workers: 1,
            budget: Budget { operations: 16, bytes: 1 << 20 },
            spin: Duration::ZERO,
            burst: 4,
            lost_after: Duration::from_secs(30),
            aging: None,
        };
        Device::open(name, engine, options).unwrap()
    }

    fn offer(algorithm: &str, driver: &str, priority: i32) -> Offer {
        let row = crate::alg::find(algorithm).unwrap();
        Offer { shape: Shape { block: 64, digest: 32, nonce: 0, tag: 0 }, ..Offer::of(row, driver, priority) }
    }

    fn driver(registry: &Registry, name: &str) -> Option<String> {
        registry.resolve(name).map(|(_, bid)| bid.offer.driver.clone())
    }

    #[test]
    fn only_what_is_published_is_found_and_the_strongest_wins() {
        let (registry, device) = (Registry::default(), device("software0", Arc::new(Software)));
        let offers = vec![offer("sha256", "weak", 1), offer("sha256", "strong", 5), offer("sha256", "equal", 5)];
        let ids = registry.enter(&device, offers);
        assert_eq!(driver(&registry, "sha256"), None);
        for (id, winner) in [(ids[0], "weak"), (ids[2], "equal"), (ids[1], "strong")] {
            registry.publish(id, true);
            assert_eq!(driver(&registry, "sha256").unwrap(), winner);
        }
        assert_eq!(driver(&registry, "weak").unwrap(), "weak");
        registry.publish(ids[1], false);
        assert_eq!(driver(&registry, "sha256").unwrap(), "equal");
        assert_eq!(driver(&registry, "strong"), None);
        device.close();
    }

    #[test]
    fn what_is_withdrawn_is_gone_when_its_last_user_is() {
        let (registry, device) = (Registry::default(), device("software0", Arc::new(Software)));
        let id = registry.enter(&device, vec![offer("sha256", "own", 1)])[0];
        registry.publish(id, true);
        let held = registry.get(id).unwrap();
        assert_eq!(registry.users(id), 1);
        registry.withdraw(id);
        registry.withdraw(id); // once is enough
        assert_eq!(driver(&registry, "own"), None);
        assert!(!registry.wait_free(id, Some(Duration::ZERO)));
        let waiting = std::thread::spawn(move || registry.wait_free(id, Some(Duration::from_secs(30))));
        drop(held);
        assert!(waiting.join().unwrap());
        device.close();
    }

    #[test]
    fn a_composition_holds_its_parts_and_is_not_made_of_who_has_left() {
        let (registry, device) = (Registry::default(), device("software0", Arc::new(Software)));
        let id = registry.enter(&device, vec![offer("sha256", "own", 1)])[0];
        let made = registry.compose(&device, offer("hmac(sha256)", "hmac(own)", 1), "hmac", &[id]).unwrap();
        assert_eq!(registry.users(id), 1);
        registry.withdraw(made);
        assert!(registry.wait_free(made, Some(Duration::ZERO)));
        assert_eq!(registry.users(id), 0);
        registry.withdraw(id);
        assert!(registry.compose(&device, offer("hmac(sha256)", "hmac(own)", 1), "hmac", &[id]).is_none());
        device.close();
    }

    fn tag(bid: &Bid) -> Outcome<Vec<u8>> {
        let params = Params { key: Some(b"key".to_vec().into()), ..Params::default() };
        let (source, ad) = (Source::from(b"message".to_vec()), Source::default());
        let call = Call { direction: Direction::Mac, source: &source, nonce: &[], ad: &ad, tag: &[], max_output: 0 };
        let mut output = Output::pooled(&Pool::new(0));
        bid.compile(&params)?.run(&call, &mut output).map(|_| output.as_slice().to_vec())
    }

    /// A part whose device completes later goes through that device's queue, and gives the same.
    #[test]
    fn a_part_on_another_device_runs_there() {
        let registry = Registry::default();
        let (near, far) = (
            device("software0", Arc::new(Software)),
            device("faulty0", Arc::new(Faulty::new(Arc::new(Software), Vec::new()))),
        );
        let ids = [&near, &far].map(|device| registry.enter(device, vec![offer("sha256", "own", 1)])[0]);
        let tags = ids.map(|id| {
            let made = registry.compose(&near, offer("hmac(sha256)", "hmac(own)", 1), "hmac", &[id]).unwrap();
            tag(&registry.get(made).unwrap()).unwrap()
        });
        assert_eq!(tags[0], tags[1]);
        assert_eq!(far.stats.tally.completed.load(Ordering::Relaxed), 2);
        assert_eq!(near.stats.tally.completed.load(Ordering::Relaxed), 0);
        far.break_down();
        let made = registry.compose(&near, offer("hmac(sha256)", "hmac(own)", 1), "hmac", &ids[1..]).unwrap();
        assert_eq!(tag(&registry.get(made).unwrap()), Err(Status::DeviceLost("faulty0".into())));
        [near, far].iter().for_each(|device| device.close());
    }

    /// The failure of a part is the failure of the whole, and nothing waits for ever.
    #[test]
    fn a_part_that_fails_fails_the_composition() {
        let registry = Registry::default();
        for (kind, lost) in [(FaultKind::Fail, false), (FaultKind::Die, true)] {
            let fault = Fault { kind, every: 1, after: 0, times: 1, done: AtomicU64::new(0) };
            let far = device("faulty0", Arc::new(Faulty::new(Arc::new(Software), vec![fault])));
            let id = registry.enter(&far, vec![offer("sha256", "own", 1)])[0];
            let made = registry.compose(&far, offer("hmac(sha256)", "hmac(own)", 1), "hmac", &[id]).unwrap();
            let status = tag(&registry.get(made).unwrap()).unwrap_err();
            assert_eq!(matches!(status, Status::DeviceLost(_)), lost, "{status}");
            far.close();
        }
    }
}
