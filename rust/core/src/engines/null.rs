//! An engine that does nothing, at once: every operation succeeds with an empty result.
//!
//! It measures what acrypto itself costs. It protects and compresses nothing and is opened only by name.

use crate::alg::{ALGORITHMS, Call, Direction, Facts, Kind, Params, Transform};
use crate::buffer::Output;
use crate::engine::{Engine, Offer};
use crate::status::Outcome;
use std::sync::Arc;

/// See the head of this file.
pub struct Null {
    /// Whether short work may run on the caller's thread; without it everything goes through the queue.
    pub inline: bool,
}

struct Nothing(Kind);

impl Engine for Null {
    fn name(&self) -> &str {
        "null"
    }

    fn offers(&self) -> Vec<Offer> {
        ALGORITHMS.iter().copied().flatten().map(|a| Offer::of(a, format!("{}-null", a.name), -1)).collect()
    }

    fn compile(&self, offer: &Offer, _params: &Params) -> Outcome<Arc<dyn Transform>> {
        Ok(Arc::new(Nothing(offer.kind)))
    }

    fn runs_inline(&self) -> bool {
        self.inline
    }
}

impl Transform for Nothing {
    fn kind(&self) -> Kind {
        self.0
    }
    fn driver(&self, _direction: Direction) -> &'static str {
        "null"
    }
    fn capacity(&self, _call: &Call<'_>) -> usize {
        0
    }
    fn run(&self, _call: &Call<'_>, _output: &mut Output) -> Outcome<Facts> {
        Ok(Facts::default())
    }
}
