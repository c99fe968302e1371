//! Weighted fair shares of one priority between several clients.
//!
//! The shares are start-time fair queueing. The level has a virtual time. Each client has a tag on it: where its next
//! item starts. The smallest tag runs next and moves on by the item's cost over the client's weight; the virtual time
//! moves on by the cost over the weights of all who have items. Who comes late, or back, starts at the virtual time:
//! absence earns no credit. Who has run dry is remembered until the virtual time has passed its tag, or it could jump
//! the line by queueing one at a time.
//!
//! In its first form the virtual time is the tag of what runs. That stands still while new clients keep coming, and
//! those who were there before would starve.
//!
//! Rejected: deficit round robin. It is cheaper with very many clients, but serves each in bursts of a quantum, and an
//! item larger than the quantum holds up the round.

use super::Item;
use std::collections::{BTreeMap, BTreeSet, VecDeque, btree_map};
use std::time::Instant;

/// What an item costs beside its bytes, so that empty ones are not free.
const ITEM_BYTES: u64 = 4096;
/// Ticks of virtual time per byte at weight 1: what is lost in dividing by a weight stays small.
const TICKS: u64 = 256;
/// Where virtual time begins: items that are put back move a tag below it.
const DAWN: u64 = 1 << 48;
/// Items whose room is kept when they have gone.
const KEPT_ITEMS: usize = 1024;

/// The clients' weights; who is not named has 1.
#[derive(Default)]
pub(super) struct Weights(BTreeMap<u32, u32>);

impl Weights {
    /// The largest weight that still divides the smallest cost well.
    const MOST: u32 = 1 << 16;

    /// Returns the weight that counted before, and the one that counts now.
    pub fn set(&mut self, client: u32, weight: u32) -> (u64, u64) {
        let before = self.get(client);
        if weight <= 1 {
            self.0.remove(&client);
        } else {
            self.0.insert(client, weight.min(Self::MOST));
        }
        (before, self.get(client))
    }

    pub fn get(&self, client: u32) -> u64 {
        self.0.get(&client).map_or(1, |weight| u64::from(*weight))
    }
}

/// What an item costs a client of weight 1.
fn ticks<T: Item>(item: &T) -> u64 {
    (item.bytes() as u64).saturating_add(ITEM_BYTES).saturating_mul(TICKS)
}

/// Like `push_back`, but a long list grows by an eighth: doubling may waste as much as it holds.
pub(super) fn append<T>(items: &mut VecDeque<T>, item: T) {
    if items.len() == items.capacity() && items.len() >= KEPT_ITEMS {
        items.reserve_exact(items.len() / 8);
    }
    items.push_back(item);
}

/// Takes the first one, and gives room back that a long list has left.
pub(super) fn pop_front<T>(items: &mut VecDeque<T>) -> Option<T> {
    let item = items.pop_front();
    if items.capacity() > KEPT_ITEMS && items.len() < items.capacity() / 4 {
        items.shrink_to(items.capacity() / 2);
    }
    item
}

pub(super) struct Flow<T> {
    pub tag: u64,
    pub items: VecDeque<T>,
}

/// Several clients. Each is either ready or idle, filed under its present tag.
pub(super) struct Shared<T> {
    pub now: u64,
    pub len: usize,
    /// The weights of all who are ready.
    pub weight: u64,
    pub flows: BTreeMap<u32, Flow<T>>,
    /// Clients with items: tag, then the age of the first item.
    ready: BTreeSet<(u64, Instant, u32)>,
    /// Clients without items whose tag is still ahead.
    idle: BTreeSet<(u64, u32)>,
}

impl<T: Item> Shared<T> {
    pub fn new() -> Self {
        let (flows, ready, idle) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { now: DAWN, len: 0, weight: 0, flows, ready, idle }
    }

    pub fn head(&self) -> Option<&T> {
        self.ready.first().and_then(|(_, _, client)| self.flows.get(client)?.items.front())
    }

    pub fn push_back(&mut self, item: T, weights: &Weights) {
        let client = item.client();
        let flow = match self.flows.entry(client) {
            btree_map::Entry::Occupied(flow) => flow.into_mut(),
            // Room for one: most of very many clients have no more.
            btree_map::Entry::Vacant(free) => free.insert(Flow { tag: self.now, items: VecDeque::with_capacity(1) }),
        };
        if flow.items.is_empty() {
            self.weight += weights.get(client);
            self.idle.remove(&(flow.tag, client));
            self.ready.insert((flow.tag, item.queued_at(), client));
        }
        append(&mut flow.items, item);
        self.len += 1;
    }

    /// Undoes a pop: the client gets back what the item has cost it.
    pub fn push_front(&mut self, item: T, weights: &Weights) {
        let client = item.client();
        let flow = self.flows.entry(client).or_insert_with(|| Flow { tag: self.now, items: VecDeque::new() });
        if let Some(head) = flow.items.front() {
            self.ready.remove(&(flow.tag, head.queued_at(), client));
        } else {
            self.idle.remove(&(flow.tag, client));
            self.weight += weights.get(client);
        }
        flow.tag = flow.tag.saturating_sub(ticks(&item) / weights.get(client));
        self.ready.insert((flow.tag, item.queued_at(), client));
        flow.items.push_front(item);
        self.len += 1;
    }

    pub fn pop(&mut self, weights: &Weights) -> Option<T> {
        let (tag, _, client) = self.ready.pop_first()?;
        let flow = self.flows.get_mut(&client)?;
        let item = pop_front(&mut flow.items)?;
        let (ticks, weight) = (ticks(&item), weights.get(client));
        self.len -= 1;
        self.now = self.now.max(tag).saturating_add(ticks / self.weight.max(1));
        flow.tag = tag.saturating_add(ticks / weight);
        if let Some(head) = flow.items.front() {
            self.ready.insert((flow.tag, head.queued_at(), client));
        } else {
            self.idle.insert((flow.tag, client));
            self.weight -= weight;
        }
        self.forget();
        Some(item)
    }

    /// Drops clients that would start at the virtual time even if they were remembered.
    fn forget(&mut self) {
        while let Some(&(tag, client)) = self.idle.first()
            && tag <= self.now
        {
            self.idle.pop_first();
            self.flows.remove(&client);
        }
    }

    /// Takes all items out, as another one of the same tags.
    pub fn lift(&mut self, weights: &Weights) -> Self {
        let mut lifted = Self { now: self.now, ..Self::new() };
        for (&client, flow) in &mut self.flows {
            lifted.flows.insert(client, Flow { tag: flow.tag, items: std::mem::take(&mut flow.items) });
        }
        lifted.file(weights);
        lifted
    }

    /// Files all clients anew under their tags.
    pub fn file(&mut self, weights: &Weights) {
        self.ready.clear();
        self.idle.clear();
        (self.len, self.weight) = (0, 0);
        for (&client, flow) in &self.flows {
            if let Some(head) = flow.items.front() {
                self.ready.insert((flow.tag, head.queued_at(), client));
                self.len += flow.items.len();
                self.weight += weights.get(client);
            } else {
                self.idle.insert((flow.tag, client));
            }
        }
        self.forget();
    }
}
