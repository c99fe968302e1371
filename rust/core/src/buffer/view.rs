//! Sources that are put together from what is borrowed: a header, a range of another source, a result.
//!
//! Making one needs no promise as [`Source::borrowed`] does: each piece is borrowed for `'a`, the view cannot outlive
//! that, and it lends its source, which nobody can copy or take out, only while it lives itself.

use super::source::{Segment, Source};
use std::marker::PhantomData;
use std::ops::{Deref, Range};

/// A source put together from borrowed pieces, which the borrow checker keeps in place.
pub struct View<'a> {
    source: Source,
    pieces: PhantomData<&'a [u8]>,
}

impl<'a> View<'a> {
    /// Of one piece.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self { source: Source::default(), pieces: PhantomData }.then(bytes)
    }

    /// Of a range of another source; what reaches beyond its end is left out.
    pub fn part(source: &'a Source, range: Range<usize>) -> Self {
        Self::of(&[]).then_part(source, range)
    }

    /// Adds one piece.
    pub fn then(mut self, bytes: &'a [u8]) -> Self {
        self.source.push(Segment { start: bytes.as_ptr(), len: bytes.len() });
        self
    }

    /// Adds a whole source.
    pub fn then_all(self, source: &'a Source) -> Self {
        source.segments().fold(self, Self::then)
    }

    /// Adds a range of a source.
    pub fn then_part(mut self, source: &'a Source, range: Range<usize>) -> Self {
        let mut at = 0;
        for segment in source.segments() {
            let from = range.start.saturating_sub(at).min(segment.len());
            let to = range.end.saturating_sub(at).min(segment.len());
            self = self.then(segment.get(from..to).unwrap_or(&[]));
            at += segment.len();
        }
        self
    }
}

impl Deref for View<'_> {
    type Target = Source;
    fn deref(&self) -> &Source {
        &self.source
    }
}

#[cfg(test)]
mod tests {
    use super::super::EMPTY;
    use super::*;

    #[test]
    fn a_view_is_its_pieces_in_order() {
        let message: Vec<u8> = (0..20).collect();
        let whole = View::of(&message[..7]).then(&[]).then(&message[7..8]).then(&message[8..]);
        let mut scratch = Vec::new();
        assert_eq!(whole.contiguous(&mut scratch), message);
        for from in 0..=20 {
            for to in from..=22 {
                let part = View::part(&whole, from..to).then_all(&EMPTY);
                let end = to.min(20);
                assert_eq!((part.len(), part.contiguous(&mut scratch)), (end - from, &message[from..end]));
            }
        }
    }
}
