//! What changes in an operation while it is on its way.

use crate::buffer::Pins;
use crate::completion::Told;
use crate::harvest::Outcome;
use pyo3::prelude::*;

pub type Callback = (Py<PyAny>, Option<Py<PyAny>>);

/// What most operations have not, or not yet; boxed, since a million of them may wait at once.
#[derive(Default)]
pub struct Rare {
    /// How it ended.
    pub completion: Option<Told>,
    pub callbacks: Vec<Callback>,
    /// What `cancel` was given.
    pub cancel_message: Option<Py<PyAny>>,
    /// Called once it has ended, by whoever is told of that.
    pub callback: Option<Py<PyAny>>,
    /// Called before a route ends.
    pub then: Option<Py<PyAny>>,
    pub is_reaped: bool,
}

pub struct State {
    pub outcome: Outcome,
    pub rare: Option<Box<Rare>>,
    pub pins: Pins,
}

impl State {
    pub fn new(outcome: Outcome, completion: Option<Told>, pins: Pins) -> Self {
        let rare = completion.map(|told| Box::new(Rare { completion: Some(told), ..Rare::default() }));
        Self { outcome, rare, pins }
    }

    pub fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    pub fn completion(&self) -> Option<&Told> {
        self.rare.as_ref().and_then(|rare| rare.completion.as_ref())
    }

    pub fn take_callbacks(&mut self) -> Vec<Callback> {
        self.rare.as_mut().map(|rare| std::mem::take(&mut rare.callbacks)).unwrap_or_default()
    }
}
