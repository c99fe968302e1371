//! What a request reads: one message in one or many segments, borrowed or its own.

use super::Output;
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
    /// Where `first` points to, if the bytes are our own; shared with its [`Spare`].
    pub(super) owned: Option<Arc<Owned>>,
    pub(super) first: Segment,
    #[allow(clippy::box_collection)] // one word where there is none
    pub(super) rest: Option<Box<Vec<Segment>>>,
    pub(super) len: usize,
}

// SAFETY: a source is read only. Borrowed memory is pinned by its owner until the request settles (see `borrowed`), and
// nothing here depends on the thread that made it. That the caller does not write meanwhile is the contract told in
// docs/security.md; if they do, results are garbage in practice and undefined in theory.
unsafe impl Send for Source {}
// SAFETY: as above; only shared reads happen through `&Source`.
unsafe impl Sync for Source {}

const NOTHING: Segment = Segment { start: std::ptr::NonNull::dangling().as_ptr(), len: 0 };

/// No bytes, where a source is asked for.
pub static EMPTY: Source = Source { owned: None, first: NOTHING, rest: None, len: 0 };

impl Default for Source {
    fn default() -> Self {
        Self { owned: None, first: NOTHING, rest: None, len: 0 }
    }
}

impl From<Vec<u8>> for Source {
    fn from(owned: Vec<u8>) -> Self {
        let first = Segment { start: owned.as_ptr(), len: owned.len() };
        Self { len: owned.len(), first, rest: None, owned: Some(Arc::new(Owned::Bytes(owned))) }
    }
}

/// A result becomes what the next stage reads; its memory goes back to the pool with the source.
impl From<Output> for Source {
    fn from(output: Output) -> Self {
        let bytes = output.as_slice();
        let first = Segment { start: bytes.as_ptr(), len: bytes.len() };
        Self { len: first.len, first, rest: None, owned: Some(Arc::new(Owned::Output(output))) }
    }
}

impl Source {
    /// Borrows memory by address.
    ///
    /// # Safety
    /// Every `(start, len)` must stay readable and unmoved until this value is dropped.
    pub unsafe fn borrowed(segments: &[(*const u8, usize)]) -> Self {
        let mut all = segments.iter().filter(|s| s.1 > 0).map(|&(start, len)| Segment { start, len });
        let first = all.next().unwrap_or(NOTHING);
        let rest: Vec<Segment> = all.collect();
        let len = first.len + rest.iter().map(|s| s.len).sum::<usize>();
        Self { owned: None, first, rest: (!rest.is_empty()).then(|| Box::new(rest)), len }
    }

    /// Bytes in all segments together.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is not a single byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The segments in order.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&self.first).chain(self.rest.iter().flat_map(|rest| rest.iter())).map(|s| {
            // SAFETY: `borrowed`'s caller keeps the memory readable while `self` lives; an owned one is in `self.owned`.
            unsafe { std::slice::from_raw_parts(s.start, s.len) }
        })
    }

    /// The whole message as one slice, if it lies in one segment.
    pub fn as_slice(&self) -> Option<&[u8]> {
        if self.rest.is_none() { self.segments().next() } else { None }
    }

    /// The whole message as one slice: as it lies, or gathered into `scratch`.
    pub fn contiguous<'a>(&'a self, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        match self.as_slice() {
            Some(slice) => slice,
            None => {
                scratch.clear();
                scratch.reserve(self.len);
                for segment in self.segments() {
                    scratch.extend_from_slice(segment);
                }
                scratch
            }
        }
    }

    /// Cuts the last bytes off and gives a copy of them; `None`, and nothing cut, if there are fewer.
    pub fn split_tail(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let keep = self.len.checked_sub(bytes)?;
        let tail: Vec<u8> = self.segments().flatten().skip(keep).copied().collect();
        let mut left = keep;
        let mut cut = |segment: &mut Segment| {
            segment.len = segment.len.min(left);
            left -= segment.len;
        };
        cut(&mut self.first);
        self.rest.iter_mut().flat_map(|rest| rest.iter_mut()).for_each(cut);
        self.len = keep;
        Some(tail)
    }

    /// The message as a result: as it is if it was one and nobody shares it, else copied into `output`.
    pub fn into_output(mut self, mut output: Output) -> Outcome<Output> {
        if !output.is_fixed()
            && let Some(owned) = self.owned.take()
        {
            match Arc::try_unwrap(owned) {
                Ok(Owned::Output(mut own)) if self.rest.is_none() && own.as_slice().as_ptr() == self.first.start => {
                    own.set_len(self.len);
                    return Ok(own);
                }
                Ok(other) => self.owned = Some(Arc::new(other)),
                Err(shared) => self.owned = Some(shared),
            }
        }
        self.copy_to(output.exactly(self.len)?)?;
        output.set_len(self.len);
        Ok(output)
    }

    /// Whether `bytes` are this message.
    pub fn is(&self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        self.len == bytes.len()
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
        Ok(())
    }
}
