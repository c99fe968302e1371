//! What a request reads: one message in one or many segments, borrowed or its own.

use super::Output;
use crate::copies::{self, Place};
use crate::status::{Outcome, Status};
use std::sync::Arc;

/// One contiguous piece of a source.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    pub start: *const u8,
    pub len: usize,
}

/// Bytes of our own, which segments point into. Neither kind moves its bytes when it is moved itself.
pub(super) enum Owned {
    Bytes(#[allow(dead_code)] Vec<u8>),
    Output(Output),
}

/// What a request reads: one message in one or many segments.
///
/// Either owns its bytes or borrows them; whoever made a borrowed one keeps the memory alive and unmoved. Small, since
/// a million requests may wait at once.
pub struct Source {
    pub(super) first: Segment,
    pub(super) more: Option<Box<More>>,
}

/// What a source has that is more than one borrowed segment.
#[derive(Default, Clone)]
pub(super) struct More {
    /// Where `first` points to, if the bytes are our own; shared with its [`Spare`](super::Spare).
    owned: Option<Arc<Owned>>,
    rest: Vec<Segment>,
    /// Bytes in the rest.
    rest_len: usize,
}

// SAFETY: a source is read only. Borrowed memory is pinned by its owner until the request settles (see `borrowed`), and
// nothing here depends on the thread that made it. That the caller does not write meanwhile is the contract told in
// docs/security.md; if they do, results are garbage in practice and undefined in theory.
unsafe impl Send for Source {}
// SAFETY: as above; only shared reads happen through `&Source`.
unsafe impl Sync for Source {}

const NOTHING: Segment = Segment { start: std::ptr::NonNull::dangling().as_ptr(), len: 0 };

/// No bytes, where a source is asked for.
pub static EMPTY: Source = Source { first: NOTHING, more: None };

impl Default for Source {
    fn default() -> Self {
        Self { first: NOTHING, more: None }
    }
}

impl From<Vec<u8>> for Source {
    fn from(owned: Vec<u8>) -> Self {
        let first = Segment { start: owned.as_ptr(), len: owned.len() };
        Self::owning(first, Owned::Bytes(owned))
    }
}

/// A result becomes what the next stage reads; its memory goes back to the pool with the source.
impl From<Output> for Source {
    fn from(output: Output) -> Self {
        let bytes = output.as_slice();
        let first = Segment { start: bytes.as_ptr(), len: bytes.len() };
        Self::owning(first, Owned::Output(output))
    }
}

impl Source {
    fn owning(first: Segment, owned: Owned) -> Self {
        Self { first, more: Some(Box::new(More { owned: Some(Arc::new(owned)), ..More::default() })) }
    }

    fn rest(&self) -> &[Segment] {
        self.more.as_ref().map_or(&[], |more| &more.rest)
    }

    /// Adds a segment, which must stay as long as those before it.
    pub(super) fn push(&mut self, segment: Segment) {
        match (segment.len, self.is_empty()) {
            (0, _) => {}
            (_, true) => self.first = segment,
            (len, false) => {
                let more = self.more.get_or_insert_default();
                more.rest_len += len;
                more.rest.push(segment);
            }
        }
    }

    /// Borrows memory by address.
    ///
    /// # Safety
    /// Every `(start, len)` must stay readable and unmoved until this value is dropped.
    pub unsafe fn borrowed(segments: &[(*const u8, usize)]) -> Self {
        let mut own = Self::default();
        segments.iter().for_each(|&(start, len)| own.push(Segment { start, len }));
        own
    }

    /// Bytes in all segments together.
    pub fn len(&self) -> usize {
        self.first.len + self.more.as_ref().map_or(0, |more| more.rest_len)
    }

    /// Whether there is not a single byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The segments in order.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&self.first).chain(self.rest()).map(|s| {
            // SAFETY: `borrowed`'s caller keeps the memory readable while `self` lives; one of our own is in `more`.
            unsafe { std::slice::from_raw_parts(s.start, s.len) }
        })
    }

    /// The whole message as one slice, if it lies in one segment.
    pub fn as_slice(&self) -> Option<&[u8]> {
        if self.rest().is_empty() { self.segments().next() } else { None }
    }

    /// The whole message as one slice: as it lies, or gathered into `scratch`.
    pub fn contiguous<'a>(&'a self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        match self.as_slice() {
            Some(slice) => slice,
            None => {
                scratch.clear();
                scratch.reserve(self.len());
                for segment in self.segments() {
                    scratch.extend_from_slice(segment);
                }
                copies::count(Place::Gather, scratch.len());
                scratch
            }
        }
    }

    /// Cuts the last bytes off and gives a copy of them; `None`, and nothing cut, if there are fewer.
    pub fn split_tail(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let keep = self.len().checked_sub(bytes)?;
        let tail: Vec<u8> = self.segments().flatten().skip(keep).copied().collect();
        let mut left = keep;
        let mut cut = |segment: &mut Segment| {
            segment.len = segment.len.min(left);
            left -= segment.len;
        };
        cut(&mut self.first);
        if let Some(more) = &mut self.more {
            more.rest.iter_mut().for_each(cut);
            more.rest_len = keep - self.first.len;
        }
        Some(tail)
    }

    /// The message as a result: as it is if it was one and nobody shares it, else copied into `output`.
    pub fn into_output(mut self, mut output: Output) -> Outcome<Output> {
        let len = self.len();
        if !output.is_fixed()
            && let Some(more) = &mut self.more
            && let Some(owned) = more.owned.take()
        {
            match Arc::try_unwrap(owned) {
                Ok(Owned::Output(mut own)) if more.rest.is_empty() && own.as_slice().as_ptr() == self.first.start => {
                    own.set_len(len);
                    return Ok(own);
                }
                Ok(other) => more.owned = Some(Arc::new(other)),
                Err(shared) => more.owned = Some(shared),
            }
        }
        self.copy_to(output.exactly(len)?)?;
        output.set_len(len);
        Ok(output)
    }

    /// Whether `bytes` are this message.
    pub fn is(&self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        self.len() == bytes.len()
            && self.segments().all(|segment| {
                let (head, tail) = rest.split_at(segment.len().min(rest.len()));
                rest = tail;
                head == segment
            })
    }

    /// Copies the message to the front of `target`, which must be at least as long.
    pub fn copy_to(&self, target: &mut [u8]) -> Outcome<()> {
        let mut rest = target;
        for segment in self.segments() {
            let capacity = rest.len();
            let Some((head, tail)) = rest.split_at_mut_checked(segment.len()) else {
                return Err(Status::OutputTooSmall { capacity });
            };
            head.copy_from_slice(segment);
            rest = tail;
        }
        copies::count(Place::Gather, self.len());
        Ok(())
    }
}
