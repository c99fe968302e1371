//! The CPU with this crate's libraries: does everything, the reference for all others, the lowest bid.

use crate::alg::{ALGORITHMS, Algorithm, Params, Transform};
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
        let offer = |a: &Algorithm| Offer { algorithm: a.name.into(), driver: a.driver.into(), priority: 100 };
        ALGORITHMS.iter().copied().flatten().map(offer).collect()
    }

    fn compile(&self, algorithm: &Algorithm, params: &Params) -> Outcome<Arc<dyn Transform>> {
        (algorithm.compile)(params)
    }
}
