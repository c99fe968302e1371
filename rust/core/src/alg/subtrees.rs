//! BLAKE3 by subtrees, so that many threads hash one message (section 2.1 of the BLAKE3 paper; the crate's `hazmat`).
//!
//! A message is cut into pieces of one length, a power of two of at least a chunk: each but the last is a whole subtree.

use super::Params;
use crate::status::{Outcome, Status};
use blake3::Hasher;
use blake3::hazmat::{ChainingValue, HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root_xof};

/// The digest's bytes if this is a digest that subtrees can make; its parameters are checked elsewhere.
pub fn digest_size(name: &str, params: &Params) -> Option<usize> {
    (name == "blake3").then(|| params.digest_size.unwrap_or(32))
}

/// Whether pieces may have this length.
pub fn is_piece(len: u64) -> bool {
    len.is_power_of_two() && len >= blake3::CHUNK_LEN as u64
}

/// The chaining value of one piece of several, which starts at `offset` of the message; read in steps by the caller.
pub struct Subtree(Hasher);

impl Subtree {
    /// # Errors
    /// `Internal` if `offset` is not at the start of a piece.
    pub fn new(offset: u64) -> Outcome<Self> {
        if !offset.is_multiple_of(blake3::CHUNK_LEN as u64) {
            return Err(Status::Internal(format!("no BLAKE3 subtree starts at {offset}")));
        }
        let mut hasher = Hasher::new();
        hasher.set_input_offset(offset);
        Ok(Self(hasher))
    }

    /// Takes more of the piece; all together at most its length.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// # Errors
    /// `Internal` if the piece is empty: no message has such a subtree.
    pub fn finish(self) -> Outcome<ChainingValue> {
        match self.0.count() {
            0 => Err(Status::Internal("a BLAKE3 subtree has no bytes".into())),
            _ => Ok(self.0.finalize_non_root()),
        }
    }
}

/// Joins the pieces' values, given in order, to the root.
#[derive(Default)]
pub struct Join {
    /// Whole subtrees, each of at least twice the pieces of the next.
    stack: Vec<ChainingValue>,
    /// How many pieces the stack holds.
    held: u64,
    /// The latest piece waits: if it is the last, it is joined to all before it and not to its equal.
    last: Option<ChainingValue>,
}

impl Join {
    pub fn push(&mut self, value: ChainingValue) {
        let Some(mut value) = self.last.replace(value) else { return };
        self.held += 1;
        for _ in 0..self.held.trailing_zeros() {
            let Some(left) = self.stack.pop() else { break };
            value = merge_subtrees_non_root(&left, &value, Mode::Hash);
        }
        self.stack.push(value);
    }

    /// The digest of at least two pieces.
    ///
    /// # Errors
    /// `Internal` if there were fewer: a single piece is no subtree of anything.
    pub fn finish(mut self, size: usize) -> Outcome<Vec<u8>> {
        let (Some(mut right), Some(mut left)) = (self.last, self.stack.pop()) else {
            return Err(Status::Internal("a BLAKE3 tree of fewer than two pieces".into()));
        };
        while let Some(above) = self.stack.pop() {
            right = merge_subtrees_non_root(&left, &right, Mode::Hash);
            left = above;
        }
        let mut digest = vec![0; size];
        merge_subtrees_root_xof(&left, &right, Mode::Hash).fill(&mut digest);
        Ok(digest)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn by_pieces(message: &[u8], piece: usize, size: usize) -> Outcome<Vec<u8>> {
        let mut join = Join::default();
        for (index, bytes) in message.chunks(piece).enumerate() {
            let mut subtree = Subtree::new((index * piece) as u64)?;
            bytes.chunks(700).for_each(|step| subtree.update(step));
            join.push(subtree.finish()?);
        }
        join.finish(size)
    }

    #[test]
    fn pieces_give_the_digest_of_the_whole() {
        let message: Vec<u8> = (0..40_000u32).map(|i| (i % 251) as u8).collect();
        for piece in [1024, 2048, 4096] {
            for pieces in 2..9 {
                for len in [(pieces - 1) * piece + 1, pieces * piece - 1, pieces * piece] {
                    let message = &message[..len];
                    assert_eq!(by_pieces(message, piece, 32).unwrap(), blake3::hash(message).as_bytes());
                }
            }
        }
    }

    #[test]
    fn longer_digests_start_with_the_shorter() {
        let message = [3; 5000];
        let long = by_pieces(&message, 1024, 131).unwrap();
        let mut wanted = [0; 131];
        Hasher::new().update(&message).finalize_xof().fill(&mut wanted);
        assert_eq!(long, wanted);
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        assert!(by_pieces(&[1; 10], 1024, 32).is_err());
        assert!(Subtree::new(5).is_err());
        assert!(Subtree::new(1024).unwrap().finish().is_err());
        assert!(is_piece(1024) && is_piece(1 << 20) && !is_piece(512) && !is_piece(3 << 10));
    }
}
