//! The ways to compress, and what their descriptors point to.

use crate::idxd::aecs::{self, CompressRecord, DECOMPRESS_SIZE_2, Record};
use crate::idxd::port::{Mapped, Queue};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a transform was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// RFC 1951's fixed codes.
    Fixed,
    /// Codes that the device makes of each message.
    Dynamic,
    /// Codes that both sides know, and no header.
    Canned,
    /// The same in so many parts, in a container.
    ByN(u32),
}

impl Mode {
    /// Whether its streams have no header, so that only those who know its codes can read them.
    pub fn is_canned(self) -> bool {
        matches!(self, Self::Canned | Self::ByN(_))
    }
}

/// Room for a decompression's state in either format.
type State = Record<DECOMPRESS_SIZE_2>;

static FIXED: LazyLock<Option<Box<CompressRecord>>> = LazyLock::new(|| aecs::fixed().ok());
static CANNED: LazyLock<Option<Box<CompressRecord>>> = LazyLock::new(|| aecs::canned().ok());

/// A queue's own mappings of the tables. Those that compress are constant and shared by all queues; the state that
/// decompresses canned streams is written once by this very device.
pub struct Tables {
    fixed: Mapped,
    canned: Mapped,
    header: (Mapped, u32),
    state: Mapped,
    has_canned: AtomicBool,
    /// After its mapping, so that it is dropped later.
    _state: Box<State>,
}

/// Where the header of canned streams lies, and where the state goes that comes of it.
pub struct Header {
    pub addr: u64,
    pub len: u32,
    pub state: u64,
}

impl Tables {
    /// None if the queue can map no more.
    #[allow(unsafe_code)]
    pub fn new(port: &dyn Queue) -> Option<Self> {
        let constant = |bytes: &'static [u8]| {
            // SAFETY: constants, which are never written.
            unsafe { port.map(bytes.as_ptr().cast_mut(), bytes.len(), false) }
        };
        let mut state = Box::new(Record([0; DECOMPRESS_SIZE_2]));
        // SAFETY: the box does not move its bytes, is kept until the mapping is gone, and only the device writes it.
        let mapped = unsafe { port.map(state.0.as_mut_ptr(), state.0.len(), true) }?;
        let header = aecs::canned_header();
        Some(Self {
            fixed: constant(&FIXED.as_ref()?.0)?,
            canned: constant(&CANNED.as_ref()?.0)?,
            header: (constant(header)?, header.len() as u32),
            state: mapped,
            has_canned: AtomicBool::new(false),
            _state: state,
        })
    }

    pub fn canned_header(&self) -> Option<Header> {
        let (header, len) = &self.header;
        Some(Header { addr: header.addr(), len: *len, state: self.state.addr() })
    }

    /// Whether the device has written the state.
    pub fn set_canned(&self, has: bool) {
        self.has_canned.store(has, Ordering::Release);
    }

    /// The second source of a descriptor; none if it has none, or if it is not there.
    pub fn addr(&self, mode: Mode, compresses: bool) -> Option<u64> {
        match (mode, compresses) {
            (Mode::Fixed, true) => Some(self.fixed.addr()),
            (Mode::Canned | Mode::ByN(_), true) => Some(self.canned.addr()),
            (Mode::Canned | Mode::ByN(_), false) => self.has_canned.load(Ordering::Acquire).then(|| self.state.addr()),
            _ => None,
        }
    }
}
