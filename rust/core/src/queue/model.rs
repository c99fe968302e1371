//! The queue against a model that is too simple to be wrong: plain lists, searched from the start each time.

use super::probe::{Probe, probe};
use super::*;
use std::collections::{BTreeMap, BTreeSet};

const SPAN: Duration = Duration::from_secs(3600);
const BUDGET: Budget = Budget { operations: 6, bytes: 100_000 };

/// Virtual time and the clients' tags, of a priority that several clients share.
#[derive(Clone, Default)]
struct Line {
    now: i128,
    tags: BTreeMap<u32, i128>,
}

/// Either the queued or the waiting ones.
#[derive(Clone, Default)]
struct Area {
    items: Vec<Probe>,
    lines: BTreeMap<i32, Line>,
}

impl Area {
    fn of(&self, priority: i32) -> impl Iterator<Item = &Probe> {
        self.items.iter().filter(move |p| p.priority == priority)
    }

    /// The tag of an item's client, before the item is put in.
    fn enter(&mut self, item: &Probe) -> Option<&mut i128> {
        let others: BTreeSet<u32> = self.of(item.priority).map(|p| p.client).collect();
        let is_new = !others.contains(&item.client);
        if !self.lines.contains_key(&item.priority) && !others.is_empty() && is_new {
            let tags = others.into_iter().map(|client| (client, 0)).collect();
            self.lines.insert(item.priority, Line { now: 0, tags });
        }
        let line = self.lines.get_mut(&item.priority)?;
        let tag = line.tags.entry(item.client).or_insert(line.now);
        if is_new {
            *tag = (*tag).max(line.now);
        }
        Some(tag)
    }

    fn push(&mut self, item: Probe) {
        self.enter(&item);
        self.items.push(item);
    }

    fn put_back(&mut self, item: Probe, cost: i128) {
        if let Some(tag) = self.enter(&item) {
            *tag -= cost;
        }
        self.items.insert(0, item);
    }

    fn head(&self, start: Instant) -> Option<Probe> {
        let priorities: BTreeSet<i32> = self.items.iter().map(|p| p.priority).collect();
        let heads = priorities.into_iter().filter_map(|priority| match self.lines.get(&priority) {
            None => self.of(priority).next(),
            Some(line) => {
                let firsts = line.tags.keys().filter_map(|c| self.of(priority).find(|p| p.client == *c));
                firsts.min_by_key(|p| (line.tags.get(&p.client), p.queued_at, p.client))
            }
        });
        let hours = |p: &Probe| ((start - p.queued_at).as_secs() / SPAN.as_secs()) as i32;
        heads.max_by_key(|p| (p.priority + hours(p), std::cmp::Reverse(p.queued_at))).copied()
    }

    fn remove(&mut self, id: usize) {
        self.items.retain(|p| p.id != id);
        let items = &self.items;
        self.lines.retain(|priority, _| items.iter().any(|p| p.priority == *priority));
    }
}

struct Model {
    start: Instant,
    queued: Area,
    waiting: Area,
    operations: usize,
    bytes: usize,
    weights: BTreeMap<u32, u32>,
}

impl Model {
    fn weight(&self, client: u32) -> i128 {
        i128::from(*self.weights.get(&client).unwrap_or(&1))
    }

    fn cost(&self, item: &Probe, weight: i128) -> i128 {
        (item.bytes as i128 + 4096) * 256 / weight
    }

    fn pop(&mut self, from: fn(&mut Self) -> &mut Area) -> Option<Probe> {
        let start = self.start;
        let item = from(self).head(start)?;
        let cost = self.cost(&item, self.weight(item.client));
        let clients: BTreeSet<u32> = from(self).of(item.priority).map(|p| p.client).collect();
        let step = self.cost(&item, clients.into_iter().map(|client| self.weight(client)).sum());
        if let Some(line) = from(self).lines.get_mut(&item.priority) {
            let tag = line.tags.entry(item.client).or_default();
            line.now = line.now.max(*tag) + step;
            *tag += cost;
        }
        from(self).remove(item.id);
        Some(item)
    }

    fn fits(&self, item: &Probe) -> bool {
        self.operations == 0
            || (self.operations < BUDGET.operations
                && self.operations < item.most_operations
                && self.bytes + item.bytes <= BUDGET.bytes)
    }

    fn admit(&mut self, item: Probe) {
        self.operations += 1;
        self.bytes += item.bytes;
        self.queued.push(item);
    }

    fn refill(&mut self) {
        while self.waiting.head(self.start).is_some_and(|head| self.fits(&head)) {
            let item = self.pop(|own| &mut own.waiting);
            item.into_iter().for_each(|item| self.admit(item));
        }
    }

    fn give_back(&mut self, item: &Probe) {
        self.operations -= 1;
        self.bytes -= item.bytes;
    }

    fn take_movable(&mut self) -> Vec<usize> {
        let (queued, waiting) = (self.queued.clone(), self.waiting.clone());
        let order: Vec<Probe> =
            std::iter::from_fn(|| self.pop(|own| &mut own.queued)).filter(|p| p.is_movable).collect();
        let rest: Vec<Probe> =
            std::iter::from_fn(|| self.pop(|own| &mut own.waiting)).filter(|p| p.is_movable).collect();
        (self.queued, self.waiting) = (queued, waiting);
        for item in &order {
            self.queued.remove(item.id);
            self.give_back(item);
        }
        rest.iter().for_each(|item| self.waiting.remove(item.id));
        self.refill();
        order.iter().chain(&rest).map(|p| p.id).collect()
    }
}

fn ids<'a>(items: impl IntoIterator<Item = &'a Probe>) -> Vec<usize> {
    items.into_iter().map(|p| p.id).collect()
}

/// The same steps on both, drawn at random; `priorities` different ones.
fn compare(seed: u64, priorities: u64, steps: usize) {
    let mut state = seed;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let start = Instant::now(); // half a span from any change, so that it may be read again
    let queue = Queue::<Probe>::new(BUDGET, Some(SPAN));
    let (queued, waiting) = (Area::default(), Area::default());
    let mut model = Model { start, queued, waiting, operations: 0, bytes: 0, weights: BTreeMap::new() };
    let mut running: VecDeque<Probe> = VecDeque::new();
    for id in 0..steps {
        match draw(16) {
            0..8 => {
                let age = SPAN * draw(4) as u32 + SPAN / 2 - Duration::from_millis(id as u64);
                let most_operations = if draw(4) == 0 { draw(5) as usize } else { usize::MAX };
                let item = Probe {
                    client: draw(4) as u32,
                    queued_at: start - age,
                    most_operations,
                    is_movable: draw(2) == 0,
                    ..probe(id, draw(priorities) as i32, draw(40_000) as usize)
                };
                let fits = model.waiting.items.is_empty() && model.fits(&item);
                assert_eq!(queue.has_room(item.bytes, item.most_operations), fits);
                if draw(3) == 0 {
                    assert_eq!(queue.try_push(item, 0).is_ok(), fits);
                } else {
                    assert!(queue.push(item, 0).is_ok());
                    if !fits {
                        model.waiting.push(item);
                    }
                }
                if fits {
                    model.admit(item);
                }
            }
            8..11 => {
                let burst = queue.take_now(draw(4) as usize);
                let expected: Vec<_> = burst.iter().filter_map(|_| model.pop(|own| &mut own.queued)).collect();
                assert_eq!(ids(&burst), ids(&expected));
                running.extend(burst);
            }
            11..14 => {
                if let Some(item) = running.pop_front() {
                    queue.release(1, item.bytes);
                    model.give_back(&item);
                    model.refill();
                }
            }
            14 if draw(2) == 0 => {
                let (client, weight) = (draw(4) as u32, 1 + draw(4) as u32);
                queue.set_weight(client, weight);
                model.weights.insert(client, weight);
            }
            14 => {
                let back = running.split_off(running.len() - running.len().min(draw(3) as usize));
                for item in back.iter().rev() {
                    model.queued.put_back(*item, model.cost(item, model.weight(item.client)));
                }
                queue.put_back(back);
            }
            _ if draw(4) == 0 => assert_eq!(ids(&queue.take_movable()), model.take_movable()),
            _ => {}
        }
        let load = queue.load();
        assert_eq!((load.operations, load.bytes), (model.operations, model.bytes));
        let mut seen = (Vec::new(), Vec::new());
        queue.for_each(|p, is_waiting| if is_waiting { seen.1.push(p.id) } else { seen.0.push(p.id) });
        seen.0.sort_unstable();
        seen.1.sort_unstable();
        model.queued.items.iter().for_each(|p| assert!(seen.0.binary_search(&p.id).is_ok()));
        model.waiting.items.iter().for_each(|p| assert!(seen.1.binary_search(&p.id).is_ok()));
        assert_eq!((seen.0.len(), seen.1.len()), (model.queued.items.len(), model.waiting.items.len()));
        assert_eq!(queue.len(), model.operations + model.waiting.items.len());
    }
}

/// Few priorities: clients share them. Many: more than the queue keeps lists for.
#[test]
fn the_queue_does_what_the_model_does() {
    for seed in 0..60 {
        compare(seed, [1, 2, 5, 200][seed as usize % 4], 1200);
    }
}
