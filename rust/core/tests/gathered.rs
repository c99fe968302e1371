//! Operations that are run together get their own results, go elsewhere when their device fails them, and go where as
//! many as they are cost least.

use acrypto_core::alg::{self, Direction, Facts, Job, Params, Transform};
use acrypto_core::buffer::{Output, Source};
use acrypto_core::device::Device;
use acrypto_core::engine::{Engine, Offer};
use acrypto_core::engines::software::Software;
use acrypto_core::layer::{Ask, Bound, Gathered, Layer, Settings};
use acrypto_core::operation::Lane;
use acrypto_core::request::Unit;
use acrypto_core::status::{Outcome, Status};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

mod rig;

/// The software engine's results, in lanes that it only counts.
#[derive(Default)]
struct Laned {
    together: Mutex<Vec<usize>>,
    fails: AtomicBool,
    panics: AtomicBool,
}

impl Engine for Laned {
    fn name(&self) -> &str {
        "laned"
    }
    fn offers(&self) -> Vec<Offer> {
        alg::find("sha256").map(|own| Offer::of(own, "sha256-laned", 90)).into_iter().collect()
    }
    fn compile(&self, offer: &Offer, params: &Params) -> Outcome<Arc<dyn Transform>> {
        alg::compile(&offer.algorithm, params)
    }
    fn lanes(&self) -> usize {
        16
    }
    fn run_many(&self, jobs: &mut [Job<'_>]) -> Vec<Outcome<Facts>> {
        self.together.lock().unwrap_or_else(PoisonError::into_inner).push(jobs.len());
        assert!(!self.panics.load(Ordering::Relaxed), "told to");
        let fails = self.fails.load(Ordering::Relaxed);
        let run = |(index, job): (usize, &mut Job<'_>)| match fails && index % 2 == 1 {
            true => Err(Status::Engine { engine: "laned".into(), what: "failed, as it was told to".into() }),
            false => alg::attempt(job.transform, &job.call, job.output),
        };
        jobs.iter_mut().enumerate().map(run).collect()
    }
}

struct Bench {
    layer: Arc<Layer>,
    laned: Arc<Laned>,
    digest: Arc<Bound>,
    sources: Vec<Vec<u8>>,
}

impl Bench {
    fn open() -> Self {
        let layer = Layer::new(Settings::default());
        let laned = Arc::new(Laned::default());
        let engines: [(&str, Arc<dyn Engine>); 2] =
            [("software0", Arc::new(Software)), ("laned0", Arc::<Laned>::clone(&laned))];
        for (name, engine) in engines {
            match Device::open(name, engine, rig::options()) {
                Ok(device) => layer.add(&device),
                Err(error) => unreachable!("no thread to be had: {error}"),
            }
        }
        let Ok(digest) = layer.bind("sha256", Params::default()) else { unreachable!("both have it") };
        let sources = (0..64u8).map(|seed| vec![seed; 100 + usize::from(seed)]).collect();
        Self { layer, laned, digest: Arc::new(digest), sources }
    }

    fn unit(&self, index: usize) -> Unit {
        let source = &self.sources[index];
        // SAFETY: the memory lives as long as the bench, which outlives every unit made here.
        let source = unsafe { Source::borrowed(&[(source.as_ptr(), source.len())]) };
        Unit { source, extra: None, output: Output::pooled(&self.layer.pool) }
    }

    fn ask<'a>(depth: usize, device: Option<&'a str>) -> Ask<'a> {
        Ask { depth, device, ..Ask::of(Direction::Digest, 100) }
    }

    fn gathered(&self, index: usize, expected: usize, device: &str) -> Gathered {
        let Ok(chosen) = self.layer.choose(&self.digest, &Self::ask(expected, Some(device))) else {
            unreachable!("both are up")
        };
        let (bound, unit) = (Arc::clone(&self.digest), self.unit(index));
        let (direction, number) = (Direction::Digest, index as u32);
        Gathered { bound, chosen, expected, number, unit, direction, max_output: 0 }
    }

    fn right(&self, index: usize) -> Vec<u8> {
        let mut unit = self.unit(index);
        let Ok(own) = alg::compile("sha256", &Params::default()) else { unreachable!("it is here") };
        assert!(unit.attempt(&*own, Direction::Digest, 0).is_ok());
        unit.output.as_slice().to_vec()
    }

    /// Tells the cost tables what a message costs there when so many travel together.
    fn measured(&self, device: &str, depth: usize, each_ns: u64) {
        let Ok(chosen) = self.layer.choose(&self.digest, &Self::ask(depth, Some(device))) else {
            unreachable!("both are up")
        };
        (0..50).for_each(|_| chosen.place.costs.at(depth).record(Direction::Digest, 100, each_ns));
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.layer.close();
    }
}

#[test]
fn each_gets_its_own_result_and_is_told_as_one_of_a_batch() {
    let bench = Bench::open();
    let mut members: Vec<Gathered> = (0..64).map(|index| bench.gathered(index, 64, "laned0")).collect();
    let results = bench.layer.run_gathered(&mut members, Duration::ZERO);
    assert_eq!(results.len(), 64);
    for (index, (member, (outcome, told))) in members.iter().zip(&results).enumerate() {
        assert!(outcome.is_ok());
        assert_eq!(member.unit.output.as_slice(), bench.right(index));
        assert_eq!((&*told.device, told.lane, told.bytes_in), ("laned0", Lane::Batch, 100 + index as u64));
    }
    assert_eq!(*bench.laned.together.lock().unwrap_or_else(PoisonError::into_inner), [64]);
}

/// A lost time slice befalls all that run together: counted for each it would be believed at once.
#[test]
fn those_that_run_together_are_one_measurement_of_their_size() {
    let bench = Bench::open();
    let mut members: Vec<Gathered> = (0..64).map(|index| bench.gathered(index, 64, "laned0")).collect();
    bench.layer.run_gathered(&mut members, Duration::ZERO);
    let Some(first) = members.first() else { unreachable!("there are 64") };
    let costs = first.chosen.place.costs.at(64);
    assert_eq!([100, 150].map(|bytes| costs.samples(Direction::Digest, bytes)), [1, 1]);
}

#[test]
fn what_fails_is_done_elsewhere_and_spoils_nobody() {
    let bench = Bench::open();
    bench.laned.fails.store(true, Ordering::Relaxed);
    let mut members: Vec<Gathered> = (0..16).map(|index| bench.gathered(index, 16, "laned0")).collect();
    let results = bench.layer.run_gathered(&mut members, Duration::ZERO);
    for (index, (member, (outcome, told))) in members.iter().zip(&results).enumerate() {
        assert!(outcome.is_ok());
        assert_eq!(member.unit.output.as_slice(), bench.right(index));
        assert_eq!(&*told.device, if index % 2 == 1 { "software0" } else { "laned0" });
    }
}

#[test]
fn when_its_engine_panics_all_are_done_elsewhere() {
    let bench = Bench::open();
    bench.laned.panics.store(true, Ordering::Relaxed);
    let mut members: Vec<Gathered> = (0..16).map(|index| bench.gathered(index, 16, "laned0")).collect();
    let results = bench.layer.run_gathered(&mut members, Duration::ZERO);
    assert_eq!(results.len(), 16);
    for (index, (member, (outcome, told))) in members.iter().zip(&results).enumerate() {
        assert!(outcome.is_ok());
        assert_eq!((&*told.device, member.unit.output.as_slice()), ("software0", &*bench.right(index)));
    }
}

#[test]
fn a_device_whose_failures_are_not_in_a_row_stays() {
    let bench = Bench::open();
    for round in 0..20 {
        bench.laned.fails.store(round % 2 == 0, Ordering::Relaxed);
        let mut members: Vec<Gathered> = (0..2).map(|index| bench.gathered(index, 2, "laned0")).collect();
        let results = bench.layer.run_gathered(&mut members, Duration::ZERO);
        assert!(results.iter().all(|(outcome, _)| outcome.is_ok()));
    }
    assert!(bench.layer.devices().iter().all(|device| device.is_usable()));
}

#[test]
fn the_time_that_lanes_take_is_told_of_the_algorithm() {
    let bench = Bench::open();
    let mut members: Vec<Gathered> = (0..64).map(|index| bench.gathered(index, 64, "laned0")).collect();
    bench.layer.run_gathered(&mut members, Duration::ZERO);
    let costs = members.first().map(|member| Arc::clone(&member.chosen.place.costs));
    assert!(costs.is_some_and(|costs| costs.tally.busy_ns.load(Ordering::Relaxed) > 0));
}

#[test]
fn who_expected_many_and_is_alone_goes_where_one_costs_least() {
    let bench = Bench::open();
    bench.measured("software0", 1, 1_000);
    bench.measured("laned0", 1, 9_000);
    bench.measured("laned0", 64, 100);
    let mut members = vec![bench.gathered(0, 64, "laned0")];
    let results = bench.layer.run_gathered(&mut members, Duration::ZERO);
    assert!(results.iter().all(|(outcome, told)| outcome.is_ok() && &*told.device == "software0"));
    assert_eq!(bench.laned.together.lock().unwrap_or_else(PoisonError::into_inner).len(), 0);
}

/// Nobody tells it from how many on lanes pay.
#[test]
fn the_balancer_learns_from_how_many_on_lanes_pay() {
    let bench = Bench::open();
    // As measured on a machine with AVX-512: one alone takes seven times as long as elsewhere, sixteen a quarter each.
    for (depth, each_ns) in [(1, 17_000), (2, 9_000), (4, 4_500), (8, 2_300), (16, 1_100), (32, 1_000)] {
        bench.measured("software0", depth, 2_400);
        bench.measured("laned0", depth, each_ns);
    }
    let at = |depth: usize| {
        let ask = Ask { is_peek: true, ..Bench::ask(depth, None) };
        bench.layer.choose(&bench.digest, &ask).map(|chosen| chosen.place.device.name.to_string())
    };
    for depth in [1, 2, 3, 4, 7] {
        assert_eq!(at(depth).as_deref(), Ok("software0"), "{depth} together");
    }
    for depth in [16, 31, 32, 64, 1000] {
        assert_eq!(at(depth).as_deref(), Ok("laned0"), "{depth} together");
    }
}

/// A device that was never tried with so many is, once the other is known.
#[test]
fn lanes_are_tried_at_each_depth() {
    let bench = Bench::open();
    for depth in [1, 64] {
        bench.measured("software0", depth, 2_400);
    }
    let tries = (0..100)
        .filter_map(|_| bench.layer.choose(&bench.digest, &Bench::ask(64, None)).ok())
        .filter(|chosen| &*chosen.place.device.name == "laned0");
    assert!(tries.count() > 0);
}
