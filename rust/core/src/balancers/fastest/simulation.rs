//! Devices as servers in virtual time, and requests that a balancer or an oracle sends to them. Nothing here sleeps,
//! and chance comes from a seeded generator: each request meets the same luck whoever places it.

use crate::alg::{Direction, Kind};
use crate::balancers::{Asked, Balancer, Seat};
use crate::cost::{Costs, Rivalry};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// xorshift64*.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Evenly from 0 to just below 1.
    pub fn share(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A device: `parallel` requests at once, each for `latency_ns` and its bytes at `per_byte_ns`, give or take a tenth.
pub struct Server {
    pub name: &'static str,
    pub latency_ns: f64,
    pub per_byte_ns: f64,
    pub parallel: usize,
    /// Share of requests that fail after half their time.
    pub fails: f64,
    /// All its times are so many times longer.
    pub slowness: f64,
    /// When each of its slots will be free.
    free_at: Vec<u64>,
    /// Predicted runs of what is in its hands: request, nanoseconds.
    in_hand: Vec<(usize, u64)>,
    costs: Costs,
}

impl Server {
    pub fn new(name: &'static str, latency_ns: f64, per_byte_ns: f64, parallel: usize, fails: f64) -> Self {
        let (free_at, in_hand, costs) = (vec![0; parallel], Vec::new(), Costs::new(Kind::Aead));
        Self { name, latency_ns, per_byte_ns, parallel, fails, slowness: 1.0, free_at, in_hand, costs }
    }

    /// What a run takes without luck.
    fn usual_ns(&self, bytes: usize) -> f64 {
        (self.latency_ns + self.per_byte_ns * bytes as f64) * self.slowness
    }

    /// What this request's run takes here, and whether it succeeds.
    fn luck(&self, device: usize, request: usize, bytes: usize) -> (u64, bool) {
        let mut chance = Chance::new((request * 64 + device + 1) as u64);
        let _ = chance.share() + chance.share(); // the first ones of neighbouring seeds are alike
        let took = self.usual_ns(bytes) * (0.9 + 0.2 * chance.share());
        (took as u64, chance.share() >= self.fails)
    }

    fn free_from(&self, now: u64) -> u64 {
        self.free_at.iter().min().map_or(now, |&at| at.max(now))
    }

    fn seat(&self, number: usize, bytes: usize) -> Seat<'_> {
        let operations = self.in_hand.len();
        let backlog: u64 = self.in_hand.iter().map(|&(_, run)| run).sum();
        Seat {
            device: self.name,
            engine: "test",
            number: number as u32,
            priority: 0,
            operations,
            ready_ns: if operations < self.parallel { 0 } else { backlog / self.parallel as u64 },
            run_ns: self.costs.predict(Direction::Encrypt, bytes),
            samples: self.costs.samples(Direction::Encrypt, bytes),
            has_room: true,
        }
    }
}

/// Who places requests.
pub enum Placer<'a> {
    Balancer(&'a dyn Balancer),
    /// Knows what a run usually takes on each device, each queue's true length and how often a device fails; takes the
    /// earliest finish. Nobody knows luck beforehand.
    Oracle,
}

/// What a run of some requests came to.
#[derive(Default)]
pub struct Outcome {
    /// From the first submission to the last completion.
    pub total_ns: u64,
    /// First placements per device.
    pub placed: Vec<usize>,
    /// First placements by reason.
    pub reasons: std::collections::BTreeMap<&'static str, usize>,
    /// By how much those that were explored or tried usually take longer than on the best device.
    pub lost_ns: f64,
}

/// A request on a device; the earliest to end is the least.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    ends: u64,
    request: usize,
    bytes: usize,
    device: usize,
    /// What it took, if it succeeds.
    run: Option<u64>,
}

/// Devices, what was learnt of them, and the requests to come.
pub struct World {
    pub servers: Vec<Server>,
    pub rivalry: Rivalry,
    now: u64,
    made: usize,
    sizes: Chance,
    smallest: f64,
    largest: f64,
}

impl World {
    /// Three devices of different character, and the CPU. The strongest offer is not the fastest.
    pub fn of_four(seed: u64) -> Self {
        let servers = vec![
            Server::new("rate", 40_000.0, 0.02, 4, 0.0),
            Server::new("flaky", 6_000.0, 0.06, 2, 0.1),
            Server::new("latency", 2_000.0, 0.25, 2, 0.0),
            Server::new("cpu", 500.0, 0.8, 2, 0.0),
        ];
        let (smallest, largest) = (64.0, 1_048_576.0);
        Self { servers, rivalry: Rivalry::default(), now: 0, made: 0, sizes: Chance::new(seed), smallest, largest }
    }

    /// The same devices, of which only the table of costs is known.
    pub fn restarted(&self, seed: u64) -> Self {
        let new = Self::of_four(seed);
        for (old, new) in self.servers.iter().zip(&new.servers) {
            for row in old.costs.rows() {
                new.costs.load(row.direction, row.from_bytes, row.nanoseconds, row.gap_ns, row.samples);
            }
        }
        new
    }

    pub fn number_of(&self, name: &str) -> usize {
        self.servers.iter().position(|server| server.name == name).expect("a known name")
    }

    /// Sizes to come, in bytes; 64 to 1 MiB otherwise.
    pub fn sizes_between(&mut self, smallest: u32, largest: u32) {
        (self.smallest, self.largest) = (f64::from(smallest), f64::from(largest));
    }

    /// Each power of two as often as the others.
    fn next_size(&mut self) -> usize {
        (self.smallest * (self.largest / self.smallest).powf(self.sizes.share())) as usize
    }

    /// Makes `count` requests, `in_flight` at a time.
    pub fn run(&mut self, placer: &Placer<'_>, count: usize, in_flight: usize) -> Outcome {
        let mut outcome = Outcome { placed: vec![0; self.servers.len()], ..Outcome::default() };
        let (began, last) = (self.now, self.made + count);
        let mut running: BinaryHeap<Reverse<Flight>> = BinaryHeap::new();
        loop {
            while running.len() < in_flight && self.made < last {
                let (request, bytes) = (self.made, self.next_size());
                self.made += 1;
                let (device, reason) = self.place(placer, bytes, None);
                outcome.placed[device] += 1;
                *outcome.reasons.entry(reason).or_default() += 1;
                if reason == "explored" || reason.starts_with("a trial") {
                    let best = self.servers.iter().map(|s| s.usual_ns(bytes)).fold(f64::INFINITY, f64::min);
                    outcome.lost_ns += self.servers[device].usual_ns(bytes) - best;
                }
                running.push(Reverse(self.submit(request, bytes, device)));
            }
            let Some(Reverse(Flight { ends, request, bytes, device, run })) = running.pop() else { break };
            self.now = ends;
            self.servers[device].in_hand.retain(|&(one, _)| one != request);
            match run {
                Some(run) => self.servers[device].costs.record(Direction::Encrypt, bytes, run),
                None => {
                    let (other, _) = self.place(placer, bytes, Some(device));
                    running.push(Reverse(self.submit(request, bytes, other)));
                }
            }
        }
        outcome.total_ns = self.now - began;
        outcome
    }

    fn submit(&mut self, request: usize, bytes: usize, device: usize) -> Flight {
        let now = self.now;
        let server = &mut self.servers[device];
        let (run, is_good) = server.luck(device, request, bytes);
        let ends = server.free_from(now) + if is_good { run } else { run / 2 };
        *server.free_at.iter_mut().min().expect("a slot") = ends;
        let predicted = server.costs.predict(Direction::Encrypt, bytes);
        server.in_hand.push((request, predicted));
        Flight { ends, request, bytes, device, run: is_good.then_some(run) }
    }

    fn place(&self, placer: &Placer<'_>, bytes: usize, not: Option<usize>) -> (usize, &'static str) {
        let able = || (0..self.servers.len()).filter(|&device| Some(device) != not);
        let Placer::Balancer(balancer) = placer else {
            let best = able().min_by_key(|&device| self.true_finish(device, bytes, not));
            return (best.expect("a device"), "known");
        };
        let (devices, seats): (Vec<_>, Vec<_>) = able().map(|d| (d, self.servers[d].seat(d, bytes))).unzip();
        let direction = Direction::Encrypt;
        let asked =
            Asked { algorithm: "x", direction, bytes, priority: 0, client: 0, device_count: 4, rivalry: &self.rivalry };
        let choice = balancer.find_device(&asked, &seats).expect("there are seats");
        (devices[choice.seat], choice.reason)
    }

    /// When the request may be expected to end if it went to this device, with the second attempt that it may need.
    fn true_finish(&self, device: usize, bytes: usize, not: Option<usize>) -> u64 {
        let server = &self.servers[device];
        let start = server.free_from(self.now);
        let others = || self.servers.iter().enumerate().filter(|&(other, _)| other != device && Some(other) != not);
        let again = others().map(|(_, other)| other.usual_ns(bytes)).fold(f64::INFINITY, f64::min).min(1e12);
        let run = server.usual_ns(bytes);
        start + (run * (1.0 - server.fails / 2.0) + again * server.fails) as u64
    }
}
