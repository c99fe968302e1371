//! Reading a source unit by unit: each straight from its segment, but for one that straddles segments, which is copied.

use crate::copies::{self, Place};

/// What is left to read of a source.
pub struct Reading<'a, Segments> {
    segments: Segments,
    rest: &'a [u8],
}

impl<'a, Segments: Iterator<Item = &'a [u8]>> Reading<'a, Segments> {
    pub fn of(segments: Segments) -> Self {
        Self { segments, rest: &[] }
    }

    /// The next unit: where it lies, if that is one segment; else `None`, and it was copied to `space`, which has its
    /// length.
    pub fn next(&mut self, space: &mut [u8]) -> Option<&'a [u8]> {
        let whole = self.whole(space.len());
        if whole.is_none() {
            copies::count(Place::Gather, space.len());
            self.fill(space);
        }
        whole
    }

    /// The next `len` bytes, if they lie in one segment; if not, nothing is taken.
    fn whole(&mut self, len: usize) -> Option<&'a [u8]> {
        self.refill();
        let (front, back) = self.rest.split_at_checked(len)?;
        self.rest = back;
        Some(front)
    }

    /// Copies the next bytes; there are as many.
    pub fn fill(&mut self, mut space: &mut [u8]) {
        while !space.is_empty() {
            self.refill();
            let len = space.len().min(self.rest.len());
            if len == 0 {
                return;
            }
            let (front, back) = self.rest.split_at(len);
            let (used, left) = space.split_at_mut(len);
            used.copy_from_slice(front);
            (space, self.rest) = (left, back);
        }
    }

    fn refill(&mut self) {
        while self.rest.is_empty() {
            match self.segments.next() {
                Some(segment) => self.rest = segment,
                None => return,
            }
        }
    }
}
