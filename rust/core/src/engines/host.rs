//! A device for compositions that no single engine can run: it offers nothing by itself, and its workers may wait.

use crate::alg::{Params, Transform};
use crate::engine::{Engine, Offer};
use crate::status::{Outcome, Status};
use std::sync::Arc;

/// See the head of this file. `name` is `template` or `cryptd`.
pub struct Host {
    pub name: &'static str,
}

impl Engine for Host {
    fn name(&self) -> &str {
        self.name
    }

    fn offers(&self) -> Vec<Offer> {
        Vec::new()
    }

    fn compile(&self, offer: &Offer, _params: &Params) -> Outcome<Arc<dyn Transform>> {
        Err(Status::NoEngine(format!("{} only runs what is made of other offers, not {}", self.name, offer.driver)))
    }

    fn runs_inline(&self) -> bool {
        false
    }

    fn runs_steps(&self) -> bool {
        false
    }

    fn is_host(&self) -> bool {
        true
    }
}
