//! An engine that is fed from outside the core, for engines written in Python: its device has a queue and no workers.
//!
//! Whoever feeds it takes requests with [`Queue::take`](crate::queue::Queue::take) and completes each one. Where the core
//! has the algorithm too, its own form checks arguments and guesses capacities; else the engine checks for itself.

use crate::alg::{self, Call, Direction, Facts, Kind, Params, Transform};
use crate::buffer::Output;
use crate::engine::{Engine, Offer, intern};
use crate::status::{Outcome, Status};
use crate::template::Shape;
use std::sync::Arc;

/// See the head of this file.
pub struct External {
    pub name: String,
}

impl Engine for External {
    fn name(&self) -> &str {
        &self.name
    }

    fn offers(&self) -> Vec<Offer> {
        Vec::new() // told where they are registered
    }

    fn compile(&self, offer: &Offer, params: &Params) -> Outcome<Arc<dyn Transform>> {
        let (name, driver) = (intern(&offer.algorithm), intern(&offer.driver));
        if params.part {
            // It would give a whole stream, and no checksum of the source.
            return Err(Status::NoEngine(format!("{driver} makes no parts of streams")));
        }
        if params.unit.is_some() && offer.kind == Kind::Cipher {
            // It was proven on single data units, and might not look at the parameter.
            return Err(Status::NoEngine(format!("{driver} takes no runs of sectors")));
        }
        // Of another kind than the core's it is another algorithm, whatever it is called.
        let checks = match alg::find(name).filter(|own| own.kind == offer.kind) {
            Some(own) => (own.compile)(params)?,
            None => Arc::new(Foreign { driver, kind: offer.kind, shape: offer.shape }),
        };
        Ok(Arc::new(Recipe { name, driver, params: params.clone(), checks }))
    }

    fn runs_inline(&self) -> bool {
        false
    }

    fn runs_steps(&self) -> bool {
        false
    }

    fn completes_later(&self) -> bool {
        true
    }

    fn may_lose(&self) -> bool {
        true
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
    fn knows_sizes(&self) -> bool {
        self.checks.knows_sizes()
    }
    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        self.checks.run(call, output)
    }
    fn recipe(&self) -> Option<(&'static str, &Params)> {
        Some((self.name, &self.params))
    }
}

/// An algorithm that the core does not have: only guesses of capacities, from what the engine says of it.
struct Foreign {
    driver: &'static str,
    kind: Kind,
    shape: Shape,
}

/// More than this is not set aside for a result whose size nobody knows yet.
const GUESS: usize = 64 << 20;

impl Transform for Foreign {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        self.driver
    }

    fn knows_sizes(&self) -> bool {
        false
    }
    fn capacity(&self, call: &Call<'_>) -> usize {
        let len = call.source.len();
        match call.direction {
            Direction::Compress => len.saturating_add(len / 8).saturating_add(64),
            Direction::Decompress => {
                let most = usize::try_from(call.max_output).unwrap_or(usize::MAX);
                len.saturating_mul(4).min(GUESS.max(len)).min(most)
            }
            Direction::Encrypt => len.saturating_add(self.shape.tag),
            Direction::Decrypt => len,
            Direction::Generate => usize::try_from(call.max_output).unwrap_or(usize::MAX),
            Direction::Verify => 0,
            Direction::Digest | Direction::Mac | Direction::Sign | Direction::Agree => self.shape.digest.max(64),
        }
    }

    fn run(&self, _call: &Call<'_>, _output: &mut Output) -> Outcome<Facts> {
        Err(Status::Internal(format!("{} was run by another than its own engine", self.driver)))
    }
}
