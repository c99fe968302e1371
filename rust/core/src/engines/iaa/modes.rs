//! The ways to compress, and what their descriptors point to.

use super::trouble::Trouble;
use crate::alg::huffman::Lengths;
use crate::engine::intern;
use crate::idxd::aecs::{self, CompressRecord, DECOMPRESS_SIZE_2, Record};
use crate::idxd::port::{Mapped, Queue};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

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
    /// Codes of somebody's own, by the mode's name; every stream begins with the header that brings them.
    Own(&'static str),
}

/// Most modes at once: the kernel has room for two, and for a third where devices make tables of the data.
pub const MAX_MODES: usize = 3;
pub const FIXED_NAME: &str = "fixed";
pub const DYNAMIC_NAME: &str = "dynamic";
pub const CANNED_NAME: &str = "canned";

/// A mode that somebody added.
pub struct Own {
    pub name: &'static str,
    record: Box<CompressRecord>,
}

/// The modes there are (`add_iaa_compression_mode` and its counterpart).
pub struct Modes {
    built_in: Vec<&'static str>,
    own: Vec<Arc<Own>>,
}

impl Default for Modes {
    fn default() -> Self {
        Self { built_in: vec![FIXED_NAME, DYNAMIC_NAME, CANNED_NAME], own: Vec::new() }
    }
}

impl Modes {
    pub fn names(&self) -> Vec<&'static str> {
        self.built_in.iter().copied().chain(self.own.iter().map(|own| own.name)).collect()
    }

    pub fn own(&self) -> Vec<Arc<Own>> {
        self.own.clone()
    }

    /// Whether drivers of a mode may be used.
    pub fn has(&self, mode: Mode) -> bool {
        let name = match mode {
            Mode::Fixed => FIXED_NAME,
            Mode::Dynamic => DYNAMIC_NAME,
            Mode::Canned | Mode::ByN(_) => CANNED_NAME,
            Mode::Own(name) => name,
        };
        self.names().contains(&name)
    }

    /// `-EINVAL` if the name is taken, there is no room, or the lengths are those of no code.
    pub fn add(&mut self, name: &str, lengths: &Lengths) -> Result<(), Trouble> {
        let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let is_taken = self.names().contains(&name) || [FIXED_NAME, DYNAMIC_NAME, CANNED_NAME].contains(&name);
        if !is_plain || name.len() > 32 || is_taken || self.names().len() >= MAX_MODES {
            return Err(Trouble::Wrong);
        }
        let header = lengths.header();
        let record = aecs::from_lengths(lengths, &header, 8 * header.len()).map_err(|_| Trouble::Wrong)?;
        self.own.push(Arc::new(Own { name: intern(name), record }));
        Ok(())
    }

    /// `-EINVAL` if there is none of that name.
    pub fn remove(&mut self, name: &str) -> Result<(), Trouble> {
        let before = self.names().len();
        self.built_in.retain(|known| *known != name);
        self.own.retain(|own| own.name != name);
        if self.names().len() == before { Err(Trouble::Wrong) } else { Ok(()) }
    }
}

impl Mode {
    /// Whether its streams have no header, so that only those who know its codes can read them.
    pub fn is_canned(self) -> bool {
        matches!(self, Self::Canned | Self::ByN(_))
    }
}

/// Room for a decompression's state in either format, twice: one is read while the other is written.
type State = Record<{ 2 * DECOMPRESS_SIZE_2 }>;

static FIXED: LazyLock<Option<Box<CompressRecord>>> = LazyLock::new(|| aecs::fixed().ok());
static CANNED: LazyLock<Option<Box<CompressRecord>>> = LazyLock::new(|| aecs::canned().ok());

/// A queue's own mappings of the tables. Those that compress are constant and shared by all queues; the state that
/// decompresses canned streams is written once by this very device.
pub struct Tables {
    fixed: Mapped,
    canned: Mapped,
    header: (Mapped, u32),
    own: Vec<(Mapped, Arc<Own>)>,
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
    pub fn new(port: &dyn Queue, own: &[Arc<Own>]) -> Option<Self> {
        let constant = |bytes: &[u8]| {
            // SAFETY: constants, or kept beside their mapping; they are never written.
            unsafe { port.map(bytes.as_ptr().cast_mut(), bytes.len(), false) }
        };
        let own = own.iter().map(|own| Some((constant(&own.record.0)?, Arc::clone(own)))).collect::<Option<_>>()?;
        let mut state = Box::new(Record([0; 2 * DECOMPRESS_SIZE_2]));
        // SAFETY: the box does not move its bytes, is kept until the mapping is gone, and only the device writes it.
        let mapped = unsafe { port.map(state.0.as_mut_ptr(), state.0.len(), true) }?;
        let header = aecs::canned_header();
        Some(Self {
            fixed: constant(&FIXED.as_ref()?.0)?,
            canned: constant(&CANNED.as_ref()?.0)?,
            header: (constant(header)?, header.len() as u32),
            own,
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
            (Mode::Own(name), true) => {
                self.own.iter().find(|(_, own)| own.name == name).map(|(mapped, _)| mapped.addr())
            }
            _ => None,
        }
    }
}
