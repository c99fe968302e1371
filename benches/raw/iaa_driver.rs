//! What the driver of IAA and the model cost beside the codec, for benches/bench_iaa.py, which builds and runs this.
//!
//! `sync PAGES SECONDS` (a file of pages of 4 KiB): each page through the driver in sync mode, with no latency and without
//! verification, and through the codec alone: the very functions that the model calls. `submit SECONDS`: the store of one
//! descriptor, and how long until another thread sees it. `flight PAGES SECONDS OP FACTOR`: 64 under way, with IAA's
//! published latencies times FACTOR, and the codec alone on all cores; OP is "compress", "decompress" or "noop", which does
//! nothing. `virtual PAGES SECONDS OP`: the same in the model's own time, in which the codec takes none. Prints "what nanoseconds nanoseconds ..." lines,
//! a number for each sample; samples of one program are taken in turns.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::undocumented_unsafe_blocks,
    clippy::indexing_slicing,
    clippy::panic
)]

use acrypto_core::alg::huffman::body::Recipe;
use acrypto_core::alg::huffman::fixed;
use acrypto_core::alg::{Call, Direction, Job, Params, Transform};
use acrypto_core::buffer::{EMPTY, Output, Pool, Source};
use acrypto_core::clock::Clock;
use acrypto_core::engines::iaa::driver::{Driver, SyncMode};
use acrypto_core::engines::iaa::form::Form;
use acrypto_core::engines::iaa::modes::Mode;
use acrypto_core::engines::iaa::table::{Mapping, Topology};
use acrypto_core::ffi::libdeflate::{Decompressor, Inflated};
use acrypto_core::ffi::portal::{Portal, Words, has_direct_store};
use acrypto_core::idxd::model::{Capabilities, Device, QueueConfig};
use acrypto_core::idxd::port::{self, Mapped, Queue};
use acrypto_core::idxd::wire::{Descriptor, flag, opcode};
use std::cell::UnsafeCell;
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Instant;

const PAGE: usize = 4096;
/// Pages of one sample.
const RUN: usize = 64;
/// What Linux's cover letter tells of the hardware, in nanoseconds.
const COMPRESS_NS: f64 = 3200.0;
const DECOMPRESS_NS: f64 = 2200.0;
const ENGINES: usize = 8;

type Sampler<'a> = Box<dyn FnMut() -> f64 + 'a>;

/// Samples in turns until the time is up, and prints them.
fn in_turns(seconds: f64, samplers: &mut [(String, Sampler<'_>)]) {
    let mut samples = vec![Vec::new(); samplers.len()];
    let begin = Instant::now();
    for (_, sampler) in samplers.iter_mut() {
        black_box(sampler()); // the first time costs more
    }
    while samples[0].len() < 5 || begin.elapsed().as_secs_f64() < seconds {
        for (sampler, list) in samplers.iter_mut().zip(&mut samples) {
            list.push(sampler.1());
        }
    }
    for ((name, _), list) in samplers.iter().zip(samples) {
        let told: Vec<String> = list.iter().map(|sample| format!("{sample:.1}")).collect();
        println!("{name}: {}", told.join(" "));
    }
}

/// Nanoseconds of one of `number`.
fn each(number: usize, work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_nanos() as f64 / number as f64
}

struct Rig {
    device: Device,
    driver: Arc<Driver>,
    pool: Arc<Pool>,
}

fn capabilities(threads: usize) -> Capabilities {
    Capabilities {
        engines: ENGINES,
        max_transfer: 2 << 20,
        threads,
        ..Capabilities::default()
    }
}

fn rig(mode: SyncMode, entries: usize) -> Rig {
    rig_of(Device::new(capabilities(1)).unwrap(), mode, entries)
}

fn rig_of(device: Device, mode: SyncMode, entries: usize) -> Rig {
    device.enable().unwrap();
    let driver = Arc::new(Driver::new(Topology::system(), Mapping::Nodes));
    driver.set_sync_mode(mode).unwrap();
    driver.set_verify(false).unwrap();
    let config = QueueConfig {
        mode: port::Mode::Dedicated,
        size: entries,
        ..QueueConfig::default()
    };
    driver
        .bind(device.enable_queue(0, config).unwrap())
        .unwrap();
    Rig {
        device,
        driver,
        pool: Pool::new(16 << 20),
    }
}

fn call(direction: Direction, source: &Source) -> Call<'_> {
    Call {
        direction,
        source,
        nonce: &[],
        ad: &EMPTY,
        tag: &[],
        max_output: PAGE as u64,
    }
}

/// Pages, and what they compress to.
struct Pages {
    plain: Vec<Source>,
    packed: Vec<Source>,
}

fn recipe() -> Recipe {
    Recipe::new(fixed().unwrap(), &[0b011], 3, true)
}

fn pages(path: &str) -> Pages {
    let bytes = std::fs::read(path).unwrap();
    let recipe = recipe();
    let mut space = vec![0; 2 * PAGE];
    let mut pack = |page: &[u8]| {
        let bits = recipe.write(page, &mut space).unwrap();
        space[..bits.div_ceil(8)].to_vec()
    };
    let pages = bytes.as_chunks::<PAGE>().0;
    let packed = pages.iter().map(|page| Source::from(pack(page))).collect();
    let plain = pages
        .iter()
        .map(|page| Source::from(page.to_vec()))
        .collect();
    Pages { plain, packed }
}

fn slices(sources: &[Source]) -> Vec<&[u8]> {
    sources
        .iter()
        .map(|source| source.as_slice().unwrap())
        .collect()
}

fn sync(pages: &Pages, seconds: f64) {
    let rig = rig(SyncMode::Sync, 16);
    let form = Form::new(&rig.driver, Mode::Fixed, "bench", &Params::default()).unwrap();
    let mut output = Output::pooled(&rig.pool);
    let recipe = recipe();
    let mut inflater = Decompressor::new().unwrap();
    let mut space = vec![0; 2 * PAGE];
    let (plain, packed) = (slices(&pages.plain), slices(&pages.packed));
    let starts: Vec<usize> = (0..plain.len()).step_by(RUN).collect();
    let mut at = 0;
    let mut samples = [const { Vec::new() }; 4];
    let begin = Instant::now();
    while begin.elapsed().as_secs_f64() < seconds || at < 3 * starts.len() {
        let first = starts[at % starts.len()];
        let range = first..(first + RUN).min(plain.len());
        let number = range.len();
        let took = [
            each(number, || {
                for page in &plain[range.clone()] {
                    black_box(recipe.write(page, &mut space).unwrap());
                }
            }),
            each(number, || {
                for page in &pages.plain[range.clone()] {
                    form.run(&call(Direction::Compress, page), &mut output)
                        .unwrap();
                }
            }),
            each(number, || {
                for page in &packed[range.clone()] {
                    assert!(matches!(
                        inflater.inflate(page, &mut space[..PAGE]),
                        Inflated::Done { .. }
                    ));
                }
            }),
            each(number, || {
                for page in &pages.packed[range.clone()] {
                    form.run(&call(Direction::Decompress, page), &mut output)
                        .unwrap();
                }
            }),
        ];
        if at >= starts.len() {
            samples
                .iter_mut()
                .zip(took)
                .for_each(|(list, took)| list.push(took));
        }
        at += 1;
    }
    let names = [
        "codec, compress",
        "driver, compress",
        "codec, decompress",
        "driver, decompress",
    ];
    for (name, list) in names.iter().zip(samples) {
        let told: Vec<String> = list.iter().map(|sample| format!("{sample:.1}")).collect();
        println!("{name}: {}", told.join(" "));
    }
}

#[repr(C, align(64))]
struct Record(UnsafeCell<[u8; 64]>);

/// One queue of a device, and room for its records.
struct Bare {
    device: Device,
    queue: Arc<dyn Queue>,
    records: Box<[Record]>,
    mapped: Mapped,
}

fn bare(mode: port::Mode, threads: usize) -> Bare {
    let device = Device::new(capabilities(threads)).unwrap();
    device.enable().unwrap();
    let config = QueueConfig {
        mode,
        size: RUN,
        ..QueueConfig::default()
    };
    let queue = device.enable_queue(0, config).unwrap();
    let records: Box<[Record]> = (0..RUN).map(|_| Record(UnsafeCell::new([0; 64]))).collect();
    let mapped = unsafe { queue.map(records.as_ptr().cast_mut().cast(), RUN * 64, true) }.unwrap();
    Bare {
        device,
        queue,
        records,
        mapped,
    }
}

/// One descriptor into a queue of the model, its portal's way of storing included; it is emptied outside of the time.
fn submission(bare: &Bare) -> f64 {
    let noop = Descriptor {
        completion_addr: bare.mapped.addr(),
        ..Descriptor::new(opcode::NOOP, flag::CRAV | flag::RCR)
    };
    let mut spent = 0.0;
    for _ in 0..100 {
        spent += match bare.queue.info().mode {
            port::Mode::Dedicated => each(RUN, || (0..RUN).for_each(|_| bare.queue.store(&noop))),
            port::Mode::Shared => each(RUN, || {
                (0..RUN).for_each(|_| assert!(bare.queue.enqueue(&noop)))
            }),
        };
        while bare.queue.help() {}
    }
    spent / 100.0
}

/// One store into a portal, and nothing else.
fn store(portal: &Portal) -> f64 {
    let words: Words = [3, 1, 4, 1, 5, 9, 2, 6];
    let mut spent = 0.0;
    for _ in 0..100 {
        spent += each(RUN, || (0..RUN).for_each(|slot| portal.store(slot, words)));
        (0..RUN).for_each(|slot| assert!(portal.take(slot).is_some()));
    }
    spent / 100.0
}

/// One store that the same thread takes, as one does that helps the model.
fn store_and_take(portal: &Portal) -> f64 {
    let words: Words = [3, 1, 4, 1, 5, 9, 2, 6];
    each(2000, || {
        for slot in 0..2000 {
            portal.store(slot, words);
            while portal.take(slot).is_none() {
                spin_loop();
            }
        }
    })
}

/// One store that another thread takes and answers: there and back. NaN on a single core.
fn round_trip(portal: &Portal) -> f64 {
    if std::thread::available_parallelism().map_or(1, |cores| cores.get()) < 2 {
        return f64::NAN;
    }
    const TURNS: u64 = 20_000;
    let (seen, ready) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            ready.store(true, Ordering::Release);
            for turn in 0..TURNS {
                let mut looks = 0u32;
                while portal.take(turn as usize).is_none() {
                    wait(&mut looks);
                }
                seen.store(turn + 1, Ordering::Release);
            }
        });
        while !ready.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        each(TURNS as usize, || {
            for turn in 0..TURNS {
                portal.store(turn as usize, [turn, 1, 2, 3, 4, 5, 6, 7]);
                let mut looks = 0u32;
                while seen.load(Ordering::Acquire) != turn + 1 {
                    wait(&mut looks);
                }
            }
        })
    })
}

fn wait(looks: &mut u32) {
    *looks += 1;
    if looks.is_multiple_of(1 << 14) {
        std::thread::yield_now();
    } else {
        spin_loop();
    }
}

fn submit(seconds: f64) {
    let (dedicated, shared) = (bare(port::Mode::Dedicated, 0), bare(port::Mode::Shared, 0));
    let mut portals = vec![("store", Portal::plain(RUN).unwrap())];
    if has_direct_store() {
        portals.push(("MOVDIR64B", Portal::direct(RUN).unwrap()));
    }
    let mut samplers: Vec<(String, Sampler<'_>)> = vec![
        (
            "model, dedicated".into(),
            Box::new(|| submission(&dedicated)),
        ),
        ("model, shared".into(), Box::new(|| submission(&shared))),
    ];
    for (name, portal) in &portals {
        samplers.push((format!("{name}, alone"), Box::new(|| store(portal))));
        samplers.push((
            format!("{name}, taken by the same thread"),
            Box::new(|| store_and_take(portal)),
        ));
        samplers.push((
            format!("{name}, there and back"),
            Box::new(|| round_trip(portal)),
        ));
    }
    in_turns(seconds, &mut samplers);
}

/// Descriptors that do nothing, 64 in flight.
fn noops(rig: &Bare, seconds: f64) -> f64 {
    let status = |slot: usize| unsafe {
        AtomicU8::from_ptr(rig.records.as_ptr().add(slot).cast_mut().cast())
    };
    let noop = |slot: usize| Descriptor {
        completion_addr: rig.mapped.addr() + slot as u64 * 64,
        ..Descriptor::new(opcode::NOOP, flag::CRAV | flag::RCR)
    };
    (0..RUN).for_each(|slot| {
        status(slot).store(0, Ordering::Relaxed);
        rig.queue.store(&noop(slot));
    });
    let (begin, mut done) = (Instant::now(), 0);
    while begin.elapsed().as_secs_f64() < seconds {
        for slot in 0..RUN {
            if status(slot).load(Ordering::Acquire) != 0 {
                status(slot).store(0, Ordering::Relaxed);
                rig.queue.store(&noop(slot));
                done += 1;
            }
        }
        rig.queue.help();
    }
    let took = begin.elapsed().as_nanos() as f64 / f64::from(done);
    while (0..RUN).any(|slot| status(slot).load(Ordering::Acquire) == 0) {
        rig.queue.help();
    }
    took
}

/// The codec alone, on all cores at once.
fn codec(pages: &Pages, direction: Direction) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let turns = 8;
    let work = || {
        let (recipe, mut inflater, mut space) =
            (recipe(), Decompressor::new().unwrap(), vec![0; 2 * PAGE]);
        for _ in 0..turns {
            if direction == Direction::Compress {
                for page in slices(&pages.plain) {
                    black_box(recipe.write(page, &mut space).unwrap());
                }
            } else {
                for page in slices(&pages.packed) {
                    black_box(inflater.inflate(page, &mut space[..PAGE]));
                }
            }
        }
    };
    let number = cores * turns * pages.plain.len();
    each(number, || {
        std::thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(work))));
    })
}

/// Many pages by the driver, 64 under way.
fn many(rig: &Rig, form: &Form, sources: &[Source], direction: Direction) -> f64 {
    let mut outputs: Vec<Output> = sources.iter().map(|_| Output::pooled(&rig.pool)).collect();
    let calls = sources.iter().map(|source| call(direction, source));
    let job = |(call, output)| Job {
        transform: form,
        call,
        output,
    };
    let mut jobs: Vec<Job<'_>> = calls.zip(&mut outputs).map(job).collect();
    each(jobs.len(), || {
        assert!(form.run_many(&mut jobs).iter().all(Result::is_ok))
    })
}

/// Sets what the hardware takes, and gives what an operation works on.
fn with_latencies<'a>(
    rig: &Rig,
    pages: &'a Pages,
    op: &str,
    factor: f64,
) -> (Direction, &'a [Source]) {
    rig.device
        .knobs()
        .set("compress_ns", COMPRESS_NS * factor)
        .unwrap();
    rig.device
        .knobs()
        .set("decompress_ns", DECOMPRESS_NS * factor)
        .unwrap();
    match op {
        "compress" => (Direction::Compress, &pages.plain),
        _ => (Direction::Decompress, &pages.packed),
    }
}

fn flight(pages: &Pages, seconds: f64, op: &str, factor: f64) {
    if op == "noop" {
        let noop = bare(port::Mode::Dedicated, 1);
        noop.device
            .knobs()
            .set("other_ns", COMPRESS_NS * factor)
            .unwrap();
        return in_turns(
            seconds,
            &mut [("noop".into(), Box::new(|| noops(&noop, seconds / 20.0)))],
        );
    }
    let rig = rig(SyncMode::Async, RUN);
    let (direction, sources) = with_latencies(&rig, pages, op, factor);
    let form = Form::new(&rig.driver, Mode::Fixed, "bench", &Params::default()).unwrap();
    let mut samplers: Vec<(String, Sampler<'_>)> = vec![(
        "driver".into(),
        Box::new(|| many(&rig, &form, sources, direction)),
    )];
    if factor == 1.0 {
        samplers.push((
            "codec on all cores".into(),
            Box::new(|| codec(pages, direction)),
        ));
    }
    in_turns(seconds, &mut samplers);
}

/// A time that goes on by a nanosecond whenever somebody looks, and otherwise stands still.
#[derive(Default)]
struct Looked(AtomicU64);

impl Clock for Looked {
    fn now(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    fn instant(&self, _: u64) -> Instant {
        Instant::now()
    }

    fn sleep(&self, until: u64) {
        self.0.fetch_max(until, Ordering::Relaxed);
    }

    fn ring(&self) {}

    fn spend(&self, ns: u64) {
        self.0.fetch_add(ns, Ordering::Relaxed);
    }
}

fn virtually(pages: &Pages, seconds: f64, op: &str) {
    let clock = Arc::new(Looked::default());
    let device = Device::with_clock(capabilities(0), Arc::clone(&clock) as Arc<dyn Clock>).unwrap();
    let rig = rig_of(device, SyncMode::Async, RUN);
    let (direction, sources) = with_latencies(&rig, pages, op, 1.0);
    let form = Form::new(&rig.driver, Mode::Fixed, "bench", &Params::default()).unwrap();
    let sample = || {
        let begin = clock.now();
        many(&rig, &form, sources, direction);
        (clock.now() - begin) as f64 / sources.len() as f64
    };
    in_turns(seconds, &mut [("driver".into(), Box::new(sample))]);
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["sync", path, seconds] => sync(&pages(path), seconds.parse().unwrap()),
        ["submit", seconds] => submit(seconds.parse().unwrap()),
        ["flight", path, seconds, op, factor] => {
            flight(
                &pages(path),
                seconds.parse().unwrap(),
                op,
                factor.parse().unwrap(),
            );
        }
        ["virtual", path, seconds, op] => virtually(&pages(path), seconds.parse().unwrap(), op),
        _ => panic!("see the head of the program"),
    }
}
