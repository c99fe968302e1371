//! An engine that spreads requests over its own threads and completes them in the order in which it took them.
//!
//! Each request takes a ticket when it is taken from the device's queue. Threads run whatever comes next; a finished
//! request waits until all tickets before it have completed. One that must not start any more, or fails, still waits
//! for its turn. Order is that of one device worker: with more, their bursts interleave.
//!
//! What may be out of the queue at once is bounded, so that one slow request holds back a bounded number of finished
//! ones; the rest of a burst is refused, which is ordinary back-pressure. It compiles nothing: what runs here are
//! compositions, `pcrypt(x)`, whose parts other engines have compiled.

use crate::alg::{Params, Transform, panic_message};
use crate::engine::{Engine, Offer};
use crate::fork;
use crate::operation::UnitResult;
use crate::request::Request;
use crate::status::{Outcome, Status};
use crate::sync::lock_std as lock;
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// Requests out of the queue at once, for each thread: enough to keep the others busy while one is slow.
const PER_THREAD: usize = 8;

/// See the head of this file.
pub struct Pcrypt {
    bench: Arc<Bench>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    generation: u64,
}

/// What the threads share.
struct Bench {
    state: Mutex<State>,
    /// For threads that wait for work.
    ready: Condvar,
    most: usize,
}

#[derive(Default)]
struct State {
    /// Taken, not started; in order.
    waiting: VecDeque<(u64, Request)>,
    /// Finished, or never to be started, before its turn; by ticket.
    finished: BTreeMap<u64, Finished>,
    /// The next ticket to hand out.
    next_in: u64,
    /// The next ticket to complete. Counted up after its completion, so that no neighbour can overtake it.
    next_out: u64,
    closed: bool,
}

/// How a request ends when its turn comes.
enum Finished {
    Done(Request, Vec<UnitResult>, Instant),
    Failed(Request, Status),
    /// Let go: dropping it tells its caller that the layer was closed or the device lost.
    Dropped(Request),
}

impl Finished {
    /// Runs a request, unless that came too late.
    fn from(mut request: Request) -> Self {
        if request.device().queue.is_closed() || !request.device().is_running() {
            return Self::Dropped(request);
        }
        if let Some(status) = request.must_not_start() {
            return Self::Failed(request, status);
        }
        // Units catch their own panics; this is for whatever stands around them, so that no turn is ever lost.
        match catch_unwind(AssertUnwindSafe(|| request.execute())) {
            Ok((results, started)) => Self::Done(request, results, started),
            Err(panic) => Self::Failed(request, Status::Internal(panic_message(&*panic))),
        }
    }

    fn complete(self) {
        match self {
            Self::Done(request, results, started) => request.complete(results, started),
            Self::Failed(request, status) => request.fail(status),
            Self::Dropped(request) => drop(request),
        }
    }
}

impl Bench {
    fn work(&self) {
        let mut state = lock(&self.state);
        loop {
            if let Some((ticket, request)) = state.waiting.pop_front() {
                drop(state);
                let finished = Finished::from(request);
                state = self.turn(ticket, finished);
            } else if state.closed {
                return;
            } else {
                state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    /// Puts down what has finished and completes all whose turn has come, unless somebody is at it.
    fn turn(&self, ticket: u64, finished: Finished) -> MutexGuard<'_, State> {
        let mut state = lock(&self.state);
        state.finished.insert(ticket, finished);
        loop {
            let next = state.next_out;
            let Some(finished) = state.finished.remove(&next) else { return state };
            drop(state);
            // Outside the lock: it wakes callers. A panic there would be our bug; the turns after it must go on.
            let _ = catch_unwind(AssertUnwindSafe(|| finished.complete()));
            state = lock(&self.state);
            state.next_out += 1;
        }
    }
}

impl Pcrypt {
    /// Starts the threads, at least one.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let bench = Bench { state: Mutex::default(), ready: Condvar::new(), most: threads.saturating_mul(PER_THREAD) };
        let engine = Self { bench: Arc::new(bench), threads: Mutex::new(Vec::new()), generation: fork::generation() };
        for index in 0..threads {
            let bench = Arc::clone(&engine.bench);
            let thread = std::thread::Builder::new().name(format!("pcrypt/{index}")).spawn(move || bench.work())?;
            lock(&engine.threads).push(thread);
        }
        Ok(engine) // on an error above, its drop ends the threads that did start
    }
}

impl Engine for Pcrypt {
    fn name(&self) -> &str {
        "pcrypt"
    }

    fn offers(&self) -> Vec<Offer> {
        Vec::new() // compositions are offered as they are asked for
    }

    fn compile(&self, offer: &Offer, _params: &Params) -> Outcome<Arc<dyn Transform>> {
        Err(Status::NoEngine(format!("pcrypt runs compositions; it does not compile {} itself", offer.driver)))
    }

    fn runs_inline(&self) -> bool {
        false
    }

    fn runs_steps(&self) -> bool {
        false
    }

    fn submit(&self, burst: &mut VecDeque<Request>) {
        let mut state = lock(&self.bench.state);
        let mut taken = 0;
        while !state.closed && ((state.next_in - state.next_out) as usize) < self.bench.most {
            let Some(request) = burst.pop_front() else { break };
            let ticket = state.next_in;
            state.next_in += 1;
            state.waiting.push_back((ticket, request));
            taken += 1;
        }
        drop(state);
        (0..taken).for_each(|_| self.bench.ready.notify_one());
    }

    fn close(&self) {
        if self.generation != fork::generation() {
            return; // a forked child has none of the threads
        }
        lock(&self.bench.state).closed = true;
        self.bench.ready.notify_all();
        let own = std::thread::current().id();
        let threads = std::mem::take(&mut *lock(&self.threads));
        for thread in threads {
            // One of ours may drop the last reference to its own engine.
            if thread.thread().id() != own {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Pcrypt {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;
    use crate::alg::{self, Call, Direction, Facts, Kind};
    use crate::buffer::{Output, Pool};
    use crate::cost::Costs;
    use crate::device::{Device, Options};
    use crate::ffi::eventfd::EventFd;
    use crate::layer::Place;
    use crate::operation::{Operation, Port, Told};
    use crate::queue::Budget;
    use crate::request::{Unit, Work};
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(60);

    /// The digest of a message, whose first byte may ask for something else.
    struct Moody {
        digest: Arc<dyn Transform>,
        gate: AtomicBool,
        runs: AtomicUsize,
    }

    const PANIC: u8 = 1;
    const FAIL: u8 = 2;
    /// Waits until the gate is open.
    const GATE: u8 = 3;

    impl Transform for Moody {
        fn kind(&self) -> Kind {
            Kind::Digest
        }
        fn driver(&self, _direction: Direction) -> &'static str {
            "moody"
        }
        fn capacity(&self, call: &Call<'_>) -> usize {
            self.digest.capacity(call)
        }
        fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
            self.runs.fetch_add(1, Ordering::SeqCst);
            match call.source.as_slice().and_then(|bytes| bytes.first().copied()) {
                Some(PANIC) => panic!("as it was asked to"),
                Some(FAIL) => Err(Status::AuthenticationFailed),
                Some(GATE) => {
                    until(|| self.gate.load(Ordering::SeqCst));
                    self.digest.run(call, output)
                }
                _ => self.digest.run(call, output),
            }
        }
    }

    fn until(condition: impl Fn() -> bool) {
        let started = Instant::now();
        while !condition() {
            assert!(started.elapsed() < PATIENCE, "it never happened");
            std::thread::yield_now();
        }
    }

    /// A device, a ring that tells the order of completions, and what was submitted.
    struct Rig {
        engine: Arc<Pcrypt>,
        device: Arc<Device>,
        transform: Arc<Moody>,
        place: Arc<Place>,
        port: Arc<Port>,
        pool: Arc<Pool>,
        operations: Vec<Arc<Operation>>,
    }

    impl Rig {
        fn new(threads: usize, workers: usize) -> Self {
            let budget = Budget { operations: 10_000, bytes: 1 << 30 };
            let (spin, lost_after) = (Duration::ZERO, PATIENCE);
            let options = Options { workers, budget, spin, burst: 16, lost_after, aging: None };
            let digest = alg::compile("sha256", &Params::default()).unwrap();
            let engine = Arc::new(Pcrypt::new(threads).unwrap());
            let device = Device::open("pcrypt0", Arc::<Pcrypt>::clone(&engine), options).unwrap();
            let transform = Arc::new(Moody { digest, gate: AtomicBool::new(false), runs: AtomicUsize::new(0) });
            let costs = Arc::new(Costs::new(Kind::Digest));
            Self {
                place: Arc::new(Place::of(&device, None, Arc::<Moody>::clone(&transform), costs)),
                device,
                engine,
                transform,
                port: Arc::new(Port::new(EventFd::new().unwrap())),
                pool: Pool::new(1 << 20),
                operations: Vec::new(),
            }
        }

        fn request(&mut self, message: Vec<u8>, deadline: Option<Instant>) -> Request {
            let port: Arc<dyn Told> = Arc::<Port>::clone(&self.port);
            let (operation, hold) = Operation::new(Some(port), self.operations.len() as u32);
            self.operations.push(operation);
            let bytes = message.len();
            let unit = Unit { source: message.into(), extra: None, output: Output::pooled(&self.pool) };
            let work = Work::Transform { direction: Direction::Digest, max_output: 0 };
            let mut request = Request::new(Arc::clone(&self.place), work, vec![unit], hold, "a test");
            request.bytes = bytes;
            request.set_deadline(deadline);
            request
        }

        fn submit(&mut self, message: Vec<u8>) {
            let request = self.request(message, None);
            assert!(self.device.queue.push(request, 0).is_ok());
        }

        /// Waits for all and gives their outcomes, having checked that they came in order.
        fn outcomes(&self) -> Vec<Result<Vec<u8>, Status>> {
            until(|| self.operations.iter().all(|operation| operation.is_released()));
            let order: Vec<u32> = self.port.drain().iter().map(|operation| operation.token).collect();
            assert_eq!(order, (0..self.operations.len() as u32).collect::<Vec<_>>());
            self.outcomes_in_any_order()
        }

        fn outcomes_in_any_order(&self) -> Vec<Result<Vec<u8>, Status>> {
            let outcome = |operation: &Arc<Operation>| match operation.take() {
                Some(settled) => match settled.units.into_iter().next().unwrap() {
                    Ok((output, _)) => Ok(output.as_slice().to_vec()),
                    Err(status) => Err(status),
                },
                None => Err(Status::Cancelled),
            };
            self.operations.iter().map(outcome).collect()
        }
    }

    fn sha256(message: &[u8]) -> Vec<u8> {
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, message).as_ref().to_vec()
    }

    /// A message of any length up to 200 kB, most of them short.
    fn uneven(index: usize) -> Vec<u8> {
        let random = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let len = (random >> 40) % (1 << (random >> 32 & 15) << 3).min(200_000);
        vec![(index % 250) as u8 | 4; len as usize]
    }

    #[test]
    fn completions_come_in_the_order_of_submission() {
        for threads in [1, 2, 3, 7] {
            let mut rig = Rig::new(threads, 1);
            let messages: Vec<Vec<u8>> = (0..2000).map(uneven).collect();
            messages.iter().for_each(|message| rig.submit(message.clone()));
            let expected: Vec<_> = messages.iter().map(|message| Ok(sha256(message))).collect();
            assert_eq!(rig.outcomes(), expected);
            rig.device.close();
        }
    }

    #[test]
    fn what_panics_or_fails_takes_its_turn() {
        let mut rig = Rig::new(3, 1);
        for index in 0..300 {
            let mut message = uneven(index);
            message.insert(0, [PANIC, FAIL, 9][index % 3]);
            rig.submit(message);
        }
        for (index, outcome) in rig.outcomes().into_iter().enumerate() {
            match index % 3 {
                0 => assert_eq!(outcome, Err(Status::Internal("a panic in an engine: as it was asked to".into()))),
                1 => assert_eq!(outcome, Err(Status::AuthenticationFailed)),
                _ => assert!(outcome.is_ok()),
            }
        }
        rig.device.close();
    }

    #[test]
    fn a_slow_one_holds_back_the_others_and_not_their_work() {
        let mut rig = Rig::new(2, 1);
        rig.submit(vec![GATE]);
        (1..10).for_each(|index| rig.submit(vec![9; index]));
        until(|| rig.transform.runs.load(Ordering::SeqCst) == 10);
        // Cancelled while it waits for its turn, it is released at its turn.
        assert!(rig.operations.iter().all(|operation| operation.is_pending()));
        assert!(rig.operations.iter().skip(3).take(1).all(|operation| operation.cancel()));
        assert!(rig.port.is_empty());
        rig.transform.gate.store(true, Ordering::SeqCst);
        let outcomes = rig.outcomes();
        assert_eq!(outcomes.iter().position(Result::is_err), Some(3));
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_err()).count(), 1);
        rig.device.close();
    }

    #[test]
    fn what_must_not_start_takes_its_turn_without_running() {
        let mut rig = Rig::new(1, 1);
        rig.submit(vec![GATE]);
        until(|| rig.transform.runs.load(Ordering::SeqCst) == 1);
        rig.submit(vec![9]);
        let late = rig.request(vec![9], Some(Instant::now()));
        assert!(rig.device.queue.push(late, 0).is_ok());
        rig.submit(vec![9]);
        assert!(rig.operations.iter().skip(1).take(1).all(|operation| operation.cancel()));
        rig.transform.gate.store(true, Ordering::SeqCst);
        let outcomes = rig.outcomes();
        let expected = [Ok(sha256(&[GATE])), Err(Status::Cancelled), Err(Status::DeadlineExceeded), Ok(sha256(&[9]))];
        assert_eq!(outcomes, expected);
        assert_eq!(rig.transform.runs.load(Ordering::SeqCst), 2);
        rig.device.close();
    }

    #[test]
    fn it_takes_a_bounded_number_and_leaves_the_rest_in_order() {
        let mut rig = Rig::new(2, 0);
        let most = 2 * PER_THREAD;
        let mut burst: VecDeque<Request> = (0..most + 5).map(|_| rig.request(vec![GATE], None)).collect();
        rig.device.engine.submit(&mut burst);
        let left: Vec<u32> = burst.iter().map(|request| request.operation().token).collect();
        assert_eq!(left, (most as u32..most as u32 + 5).collect::<Vec<_>>());
        rig.transform.gate.store(true, Ordering::SeqCst);
        while !burst.is_empty() {
            rig.device.engine.submit(&mut burst);
            std::thread::yield_now();
        }
        assert!(rig.outcomes().iter().all(Result::is_ok));
        rig.device.close();
    }

    #[test]
    fn closing_under_load_ends_all() {
        for round in 0..20 {
            let mut rig = Rig::new(3, 1);
            (0..400).for_each(|index| rig.submit(uneven(index)));
            until(|| rig.transform.runs.load(Ordering::SeqCst) >= round * 5);
            rig.device.close();
            assert!(rig.operations.iter().all(|operation| operation.is_released()));
            assert_eq!(rig.port.drain().len(), rig.operations.len());
            let mut done = 0;
            for (index, outcome) in rig.outcomes_in_any_order().into_iter().enumerate() {
                match outcome {
                    Ok(digest) => {
                        assert_eq!(digest, sha256(&uneven(index)));
                        done += 1;
                    }
                    Err(status) => assert!(matches!(status, Status::Closed(_)), "{status}"),
                }
            }
            assert_eq!(done, rig.transform.runs.load(Ordering::SeqCst), "something ran for nobody");
            // Taken later, a request is refused, and whoever offers it ends it.
            let mut burst = VecDeque::from([rig.request(vec![9], None)]);
            rig.device.engine.submit(&mut burst);
            assert_eq!(burst.len(), 1);
            drop(burst);
            assert_eq!(rig.port.drain().len(), 1); // an undrained ring and what is in it keep each other alive
        }
    }

    #[test]
    fn a_broken_device_starts_nothing_more() {
        let mut rig = Rig::new(1, 1);
        rig.submit(vec![GATE]);
        until(|| rig.transform.runs.load(Ordering::SeqCst) == 1);
        (0..PER_THREAD - 1).for_each(|_| rig.submit(vec![9]));
        until(|| lock(&rig.engine.bench.state).next_in == PER_THREAD as u64);
        rig.device.break_down();
        rig.transform.gate.store(true, Ordering::SeqCst);
        let outcomes = rig.outcomes();
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        assert!(outcomes.iter().skip(1).all(|outcome| *outcome == Err(Status::DeviceLost("pcrypt0".into()))));
        rig.device.close();
    }
}
