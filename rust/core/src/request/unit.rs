//! The messages of a request.

use crate::alg::{self, Call, Direction, Facts, Job, Transform};
use crate::buffer::{EMPTY, Output, Source};
use crate::operation::UnitResult;
use crate::status::Outcome;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A nonce or a tag: most fit where they are kept.
pub type Short = smallvec::SmallVec<[u8; 16]>;

/// What only some units have.
#[derive(Default, Clone)]
pub struct Extra {
    pub nonce: Short,
    /// None for none, which is the common case.
    pub ad: Option<Arc<Source>>,
    pub tag: Short,
}

/// One message of a request.
pub struct Unit {
    pub source: Source,
    pub extra: Option<Box<Extra>>,
    pub output: Output,
}

impl Extra {
    /// With additional data, if there are any.
    pub fn new(nonce: Short, ad: Source, tag: Short) -> Self {
        Self { nonce, ad: (!ad.is_empty()).then(|| Arc::new(ad)), tag }
    }

    pub fn ad(&self) -> &Source {
        self.ad.as_deref().unwrap_or(&EMPTY)
    }
}

fn call<'a>(source: &'a Source, extra: Option<&'a Extra>, direction: Direction, max_output: u64) -> Call<'a> {
    let (nonce, ad, tag) = match extra {
        Some(extra) => (extra.nonce.as_slice(), extra.ad(), extra.tag.as_slice()),
        None => (&[][..], &EMPTY, &[][..]),
    };
    Call { direction, source, nonce, ad, tag, max_output }
}

impl Unit {
    /// The unit as an algorithm sees it.
    pub fn call(&self, direction: Direction, max_output: u64) -> Call<'_> {
        call(&self.source, self.extra.as_deref(), direction, max_output)
    }

    /// Bytes that are read: the message, and an AEAD's additional data.
    pub fn len(&self) -> usize {
        self.source.len().saturating_add(self.extra.as_ref().map_or(0, |extra| extra.ad().len()))
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The unit as work that is done together with others; its result is left in its output.
    pub fn job<'a>(&'a mut self, transform: &'a dyn Transform, direction: Direction, max_output: u64) -> Job<'a> {
        let Self { source, extra, output } = self;
        Job { transform, call: call(source, extra.as_deref(), direction, max_output), output }
    }

    /// Runs the unit in this thread, with its result left in its output; after a failure it may be run again.
    pub fn attempt(&mut self, transform: &dyn Transform, direction: Direction, max_output: u64) -> Outcome<Facts> {
        let Job { call, output, .. } = self.job(transform, direction, max_output);
        alg::attempt(transform, &call, output)
    }

    /// Takes the result out, once it is there. What failed keeps its output, to be tried again.
    pub fn take_output(&mut self) -> Output {
        let empty = self.output.sibling();
        std::mem::replace(&mut self.output, empty)
    }

    /// Runs the unit in this thread and hands over its result.
    pub fn run(&mut self, transform: &dyn Transform, direction: Direction, max_output: u64) -> UnitResult {
        self.attempt(transform, direction, max_output).map(|facts| (self.take_output(), facts))
    }
}

/// The bytes that a unit's cost depends on.
pub fn cost_bytes(unit: &Unit, direction: Direction, max_output: u64) -> usize {
    match direction {
        Direction::Generate => usize::try_from(max_output).unwrap_or(usize::MAX),
        _ => unit.len(),
    }
}

/// The messages of a request; one needs no vector. Two kinds and not three: then telling them apart costs no space.
pub enum Units {
    One(Unit),
    Many(Box<[Unit]>),
}

impl Default for Units {
    fn default() -> Self {
        Self::Many(Box::default())
    }
}

impl From<Unit> for Units {
    fn from(unit: Unit) -> Self {
        Self::One(unit)
    }
}

impl From<Vec<Unit>> for Units {
    fn from(mut units: Vec<Unit>) -> Self {
        match (units.pop(), units.is_empty()) {
            (None, _) => Self::default(),
            (Some(unit), true) => Self::One(unit),
            (Some(unit), false) => {
                units.push(unit);
                Self::Many(units.into())
            }
        }
    }
}

impl Units {
    pub fn into_vec(self) -> Vec<Unit> {
        match self {
            Self::One(unit) => vec![unit],
            Self::Many(units) => units.into_vec(),
        }
    }
}

impl Deref for Units {
    type Target = [Unit];
    fn deref(&self) -> &[Unit] {
        match self {
            Self::One(unit) => std::slice::from_ref(unit),
            Self::Many(units) => units,
        }
    }
}

impl DerefMut for Units {
    fn deref_mut(&mut self) -> &mut [Unit] {
        match self {
            Self::One(unit) => std::slice::from_mut(unit),
            Self::Many(units) => units,
        }
    }
}
