//! What it takes to place one request on one of four devices, queue it there and take it out again, on one thread.
//!
//! Prints the nanoseconds of each step, of which each line is the mean over a thousand requests: for `benches/`.

use acrypto_core::alg::{Direction, Params};
use acrypto_core::buffer::Source;
use acrypto_core::device::{Device, Options};
use acrypto_core::engines::software::Software;
use acrypto_core::layer::{Ask, Layer, Settings, Wishes};
use acrypto_core::operation::Operation;
use acrypto_core::queue::Budget;
use acrypto_core::request::Request;
use acrypto_core::status::Outcome;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SAMPLES: usize = 300;
const REQUESTS: usize = 1000;
const BYTES: usize = 4096;

fn main() -> Outcome<()> {
    let layer = Layer::new(Settings { inline_ns: 0, ..Settings::default() });
    // Nobody works on what is queued.
    let options = Options {
        workers: 0,
        budget: Budget { operations: 1 << 20, bytes: 1 << 40 },
        spin: Duration::ZERO,
        burst: 16,
        lost_after: Duration::from_secs(30),
        aging: Some(Duration::from_secs(1)),
    };
    let mut devices = Vec::new();
    for name in ["device0", "device1", "device2", "device3"] {
        let device = Device::open(name, Arc::new(Software), options);
        let Ok(device) = device else { return Ok(()) };
        layer.add(&device);
        devices.push(device);
    }
    let bound = Arc::new(layer.bind("sha256", Params::default())?);
    for (number, device) in devices.iter().enumerate() {
        let costs = layer.cost_table(&device.name, &bound.cost_key, bound.kind);
        (0..100).for_each(|_| costs.record(Direction::Digest, BYTES, 2_000 * (number as u64 + 1)));
    }
    let message = vec![7u8; BYTES];
    let mut out: Vec<Request> = Vec::with_capacity(REQUESTS);
    println!("choose,submit,take");
    for _ in 0..SAMPLES {
        let mut prepared = Vec::with_capacity(REQUESTS);
        for _ in 0..REQUESTS {
            // SAFETY: `message` outlives every request.
            #[allow(unsafe_code)]
            let source = unsafe { Source::borrowed(&[(message.as_ptr(), message.len())]) };
            let (operation, hold) = Operation::new(None, 0);
            prepared.push((operation, hold, layer.unit(source)));
        }
        let (mut choosing, mut submitting, mut taking) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let mut operations = Vec::with_capacity(REQUESTS);
        for (operation, hold, unit) in prepared {
            operations.push(operation);
            let started = Instant::now();
            let chosen = layer.choose(&bound, black_box(&Ask::of(Direction::Digest, BYTES)))?;
            let chose = Instant::now();
            layer.submit(&bound, &chosen, unit, Direction::Digest, 0, Wishes::default(), hold)?;
            let submitted = Instant::now();
            out.extend(chosen.place.device.queue.take_now(1));
            taking += submitted.elapsed();
            choosing += chose - started;
            submitting += submitted - chose;
        }
        // What reading the clock takes is in each of the three.
        let started = Instant::now();
        (0..REQUESTS).for_each(|_| _ = black_box(Instant::now()));
        let clock = started.elapsed();
        let ns = |spent: Duration| spent.saturating_sub(clock).as_nanos() as f64 / REQUESTS as f64;
        println!("{:.1},{:.1},{:.1}", ns(choosing), ns(submitting), ns(taking));
        for request in out.drain(..) {
            let device = Arc::clone(request.device());
            request.discard();
            drop(device);
        }
    }
    layer.close();
    Ok(())
}
