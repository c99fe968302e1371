//! A transform whose messages go into lanes, or to its twin.

use super::form::{Form, Scratch};
use super::{together, twin};
use crate::alg::{Call, Direction, Facts, Job, Kind, Params, Transform};
use crate::buffer::Output;
use crate::ffi::ipsec_mb::{Library, Work};
use crate::status::{Outcome, Status};
use std::any::Any;
use std::sync::Arc;

/// See the head of this file.
pub struct Laned {
    library: &'static Library,
    driver: &'static str,
    /// None for keys that the library does not take.
    form: Option<Form>,
    twin: Arc<dyn Transform>,
}

impl Laned {
    /// Of one of the engine's own offers.
    pub fn new(library: &'static Library, name: &str, driver: &'static str, params: &Params) -> Outcome<Self> {
        // First: it checks all parameters.
        let twin = twin::compile(name, driver, params)?;
        let form = Form::new(library, name, params)?;
        Ok(Self { library, driver, form, twin })
    }

    /// The same, if it is one.
    pub fn of(transform: &dyn Transform) -> Option<&Self> {
        (transform as &dyn Any).downcast_ref()
    }

    /// The call as work for the lanes, if it is any; what it writes beside the output goes to `scratch`.
    pub fn work<'a>(&'a self, call: &Call<'a>, output: &'a mut Output, scratch: &'a mut Scratch) -> Option<Work<'a>> {
        self.form.as_ref()?.work(call, output, scratch)
    }

    /// What does the rest.
    pub fn twin(&self) -> &dyn Transform {
        &*self.twin
    }

    /// What came of it: `fate` says how its job ended, if it went in.
    pub fn finish(&self, call: &Call<'_>, output: &mut Output, scratch: &mut Scratch, fate: Fate) -> Outcome<Facts> {
        match (fate, &self.form) {
            (Fate::Done, Some(form)) => form.finish(call, output, scratch),
            (Fate::Failed, _) => {
                scratch.wipe();
                let touched = self.twin.capacity(call);
                output.wipe(touched);
                Err(super::failed("a job came back without a result"))
            }
            _ => self.twin.run(call, output),
        }
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It was none: the twin does it.
    Aside,
    Done,
    Failed,
}

impl Transform for Laned {
    fn kind(&self) -> Kind {
        self.twin.kind()
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        self.driver
    }

    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        self.twin.check(call)
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        self.twin.capacity(call)
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        let call = Call { ..*call };
        let mut jobs = [Job { transform: self, call, output }];
        let first = together::run(self.library, &mut jobs).pop();
        first.unwrap_or_else(|| Err(Status::Internal("a call without a result".to_owned())))
    }

    fn run_many(&self, jobs: &mut [Job<'_>]) -> Vec<Outcome<Facts>> {
        together::run(self.library, jobs)
    }
}
