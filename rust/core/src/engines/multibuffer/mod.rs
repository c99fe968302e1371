//! Many messages at once: each in a lane of a vector register, by intel-ipsec-mb, which is found at run time.
//!
//! AES-CBC and the hashes of SHA-1 and SHA-2 cannot be done in parallel inside one message, so that one alone leaves
//! most of a core idle. Here whatever a burst holds goes into the lanes together, whosever it is and whatever its
//! key. One message alone is slower than elsewhere: the balancers learn that.
//!
//! Whatever the library does not take (empty and very long messages, odd nonces, data in pieces) is done by the
//! software engine's form, which also says what is accepted and how errors read; see [`form`].

use crate::alg::{self, Facts, Job, Kind, Params, Transform};
use crate::engine::{Engine, Offer, intern};
use crate::ffi::ipsec_mb::{Hash, Lanes, Library};
use crate::request::Request;
use crate::status::{Outcome, Status};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

mod burst;
mod form;
mod laned;
#[cfg(test)]
mod tests;
mod together;
mod twin;

/// Below the software engine's: who asks by name and never awaits two at once is best served there.
pub const PRIORITY: i32 = 90;
/// The most lanes that any of its algorithms has: SHA-1, SHA-256 and AES-CBC on AVX-512.
const LANES: usize = 16;
/// Nanoseconds that a few messages wait for company.
const GATHER_NS: u64 = 5_000;
/// Microseconds that the knob may say.
const GATHER_MOST_US: f64 = 1000.0;

/// See the head of this file.
pub struct Multibuffer {
    library: &'static Library,
    gather_ns: AtomicU64,
}

impl Multibuffer {
    /// Fails with the reason if the library is not here, or not known.
    pub fn new() -> Outcome<Self> {
        let library = Library::get().map_err(Status::NoEngine)?;
        Ok(Self { library, gather_ns: AtomicU64::new(GATHER_NS) })
    }

    /// The library's version: `1.3.0`.
    pub fn version(&self) -> &'static str {
        self.library.version()
    }
}

/// What failed inside the library.
fn failed(what: &str) -> Status {
    Status::Engine { engine: "multibuffer".to_owned(), what: what.to_owned() }
}

thread_local! {
    /// Lanes that this thread may use: two while a completion runs something else that needs some.
    static SPARE: RefCell<Vec<Lanes>> = const { RefCell::new(Vec::new()) };
}

/// This thread's lanes, with nothing in them.
fn take_lanes(library: &'static Library) -> Outcome<Lanes> {
    let spare = SPARE.try_with(|spare| spare.borrow_mut().pop()).ok().flatten();
    spare.or_else(|| Lanes::of(library)).ok_or_else(|| failed("there is no memory for its lanes"))
}

/// Keeps lanes for the next burst.
fn give_lanes(lanes: Lanes) {
    // A thread that ends has no place for them any more: they are dropped, then.
    let _ = SPARE.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.is_empty() {
            spare.push(lanes);
        }
    });
}

impl Engine for Multibuffer {
    fn name(&self) -> &str {
        "multibuffer"
    }

    fn offers(&self) -> Vec<Offer> {
        let plain = ["cmac(aes)", "ctr(aes)", "cbc(aes)", "gcm(aes)", "ccm(aes)"];
        let chacha = ["chacha20-poly1305", "rfc7539(chacha20,poly1305)"];
        let hashes = Hash::ALL.map(Hash::name);
        let macs = hashes.map(|hash| format!("hmac({hash})"));
        let names = hashes.into_iter().chain(macs.iter().map(String::as_str)).chain(plain).chain(chacha);
        let mut offers: Vec<Offer> = names
            .filter_map(alg::find)
            .map(|algorithm| Offer::of(algorithm, driver_of(algorithm.name), PRIORITY))
            .collect();
        offers.extend(Hash::ALL.map(|hash| {
            let algorithm = format!("authenc(hmac({}),cbc(aes))", hash.name());
            Offer {
                driver: driver_of(&algorithm),
                algorithm,
                kind: Kind::Aead,
                priority: PRIORITY,
                insecure: false,
                shape: twin::authenc_shape(hash),
                limits: Default::default(),
            }
        }));
        offers
    }

    fn compile(&self, offer: &Offer, params: &Params) -> Outcome<Arc<dyn Transform>> {
        let driver = intern(&offer.driver);
        Ok(Arc::new(laned::Laned::new(self.library, &offer.algorithm, driver, params)?))
    }

    fn runs_steps(&self) -> bool {
        false // one stream has one lane
    }

    fn lanes(&self) -> usize {
        LANES
    }

    fn run_many(&self, jobs: &mut [Job<'_>]) -> Vec<Outcome<Facts>> {
        together::run(self.library, jobs)
    }

    fn submit(&self, burst: &mut VecDeque<Request>) {
        burst::submit(self.library, self.gather_ns.load(Ordering::Relaxed), burst);
    }

    fn tune(&self, knob: &str, value: f64) -> Outcome<()> {
        if knob != "gather_us" {
            return Err(Status::usage(format!("no knob is called {knob:?}; there is gather_us")));
        }
        if !(0.0..=GATHER_MOST_US).contains(&value) {
            return Err(Status::usage(format!("gather_us is {value}; it must be from 0 to {GATHER_MOST_US}")));
        }
        self.gather_ns.store((value * 1e3) as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// `authenc(hmac(sha256),cbc(aes))` becomes `authenc-hmac-sha256-cbc-aes-ipsecmb`.
fn driver_of(algorithm: &str) -> String {
    let words: Vec<&str> = algorithm.split(['(', ')', ',']).filter(|word| !word.is_empty()).collect();
    format!("{}-ipsecmb", words.join("-"))
}
