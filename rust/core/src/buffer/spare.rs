//! A second look at what a request reads, for when the first is in the hands of an engine that does not answer.
//!
//! Borrowed memory stays where it is until nobody holds the operation any more. A spare does not hold it, so it cannot
//! be read; a [`Hold`] on the same operation makes a source of it again. Only requests that engines may lose pay for one.

use super::Source;
use crate::operation::Hold;

/// See the head of this file.
pub struct Spare(Source);

impl Spare {
    /// Of a source that some operation holds.
    pub fn of(source: &Source) -> Self {
        Self(Source { first: source.first, more: source.more.clone() })
    }

    /// A source like the first, which lives no longer than `_hold`, a hold on the same operation.
    pub fn revive(self, _hold: &Hold) -> Source {
        self.0
    }
}
