//! An engine that is fed from outside the core, for engines written in Python: its device has a queue and no workers.
//!
//! Whoever feeds it takes requests with [`Queue::take`](crate::queue::Queue::take) and completes each one. The core
//! still checks arguments and guesses capacities with its own form of the algorithm.

use crate::alg::{Algorithm, Call, Direction, Facts, Kind, Params, Transform};
use crate::buffer::Output;
use crate::engine::{Engine, Offer};
use crate::status::Outcome;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// See the head of this file.
pub struct External {
    pub name: String,
    pub offers: Vec<Offer>,
}

impl Engine for External {
    fn name(&self) -> &str {
        &self.name
    }

    fn offers(&self) -> Vec<Offer> {
        self.offers.clone()
    }

    fn compile(&self, algorithm: &Algorithm, params: &Params) -> Outcome<Arc<dyn Transform>> {
        let checks = (algorithm.compile)(params)?;
        let offer = self.offers.iter().find(|offer| offer.algorithm == algorithm.name);
        let driver = offer.map_or("", |offer| intern(&offer.driver));
        Ok(Arc::new(Recipe { name: algorithm.name, driver, params: params.clone(), checks }))
    }

    fn runs_inline(&self) -> bool {
        false
    }
}

/// A name that lives as long as the process, so that completions need not own theirs. Driver names are few.
fn intern(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    match names.get(name) {
        Some(known) => known,
        None => {
            let kept: &'static str = Box::leak(name.to_string().into_boxed_str());
            names.insert(kept);
            kept
        }
    }
}

/// The name and parameters, for the engine outside; everything else by the core's own form.
struct Recipe {
    name: &'static str,
    driver: &'static str,
    params: Params,
    checks: Arc<dyn Transform>,
}

impl Transform for Recipe {
    fn kind(&self) -> Kind {
        self.checks.kind()
    }
    fn driver(&self, _direction: Direction) -> &'static str {
        self.driver
    }
    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        self.checks.check(call)
    }
    fn capacity(&self, call: &Call<'_>) -> usize {
        self.checks.capacity(call)
    }
    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        self.checks.run(call, output)
    }
    fn recipe(&self) -> Option<(&'static str, &Params)> {
        Some((self.name, &self.params))
    }
}
