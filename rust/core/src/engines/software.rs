//! The CPU with this crate's libraries: does everything, the reference for all others, the lowest bid.

use crate::alg::{self, ALGORITHMS, Params, Transform};
use crate::engine::{Engine, Offer};
use crate::status::Outcome;
use std::sync::Arc;

/// See the head of this file.
pub struct Software;

impl Engine for Software {
    fn name(&self) -> &str {
        "software"
    }

    fn offers(&self) -> Vec<Offer> {
        ALGORITHMS.iter().copied().flatten().map(|a| Offer::of(a, a.driver, 100)).collect()
    }

    fn compile(&self, offer: &Offer, params: &Params) -> Outcome<Arc<dyn Transform>> {
        alg::compile(&offer.algorithm, params)
    }

    fn is_reference(&self) -> bool {
        true
    }
}
