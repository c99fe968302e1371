//! How a descriptor or a message can fail, in the driver's words, the kernel's numbers and the layer's.

use crate::alg::Facts;
use crate::idxd::wire::{analytics, status};
use crate::status::Status;

/// See the head of this file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// No queue is enabled, or the one that was asked is leaving.
    NoDevice,
    /// Its device stopped answering with the work in its hands.
    Lost,
    /// All entries of the queue are taken.
    NoSlot,
    /// A shared queue refused it as often as it was asked.
    Again,
    /// Nothing came back for too long, or the device gave up itself.
    TimedOut,
    /// The compressed data do not fit.
    TooBig,
    /// The decompressed data do not fit.
    Overflow,
    /// The data are not what the device takes: a larger window, or damage.
    Analytics(u8),
    /// Any other status.
    Invalid(u8),
    /// What was compressed does not decompress to what it was.
    Unverified,
    /// No more memory can be mapped.
    NoRoom,
    /// A container whose parts did not all come back.
    Parts,
    /// Already there, or in use.
    Busy,
    /// It cannot be: a mode's name or codes.
    Wrong,
    /// The device makes no codes of the data.
    Unable,
}

impl Trouble {
    /// What a completion says; nothing if all went well. The kernel's rule (`check_completion` of iaa_crypto).
    pub fn of(status: u8, error_code: u8, compresses: bool) -> Option<Self> {
        match (status & status::MASK, error_code) {
            (status::SUCCESS, _) => None,
            (status::WATCHDOG, _) => Some(Self::TimedOut),
            (status::ANALYTICS_ERROR, analytics::OUTPUT_OVERFLOW) if compresses => Some(Self::TooBig),
            (status::ANALYTICS_ERROR, code) => Some(Self::Analytics(code)),
            (status::OUTPUT_OVERFLOW, _) => Some(Self::Overflow),
            (other, _) => Some(Self::Invalid(other)),
        }
    }

    /// Linux's number for it.
    pub fn errno(self) -> i32 {
        match self {
            Self::NoDevice | Self::Lost => libc::ENODEV,
            Self::NoSlot | Self::Again => libc::EAGAIN,
            Self::TimedOut => libc::ETIMEDOUT,
            Self::TooBig => libc::E2BIG,
            Self::Overflow => libc::EOVERFLOW,
            Self::Analytics(_) | Self::Invalid(_) | Self::Unverified | Self::Wrong | Self::Unable => libc::EINVAL,
            Self::NoRoom => libc::ENOMEM,
            Self::Parts => libc::EIO,
            Self::Busy => libc::EBUSY,
        }
    }

    /// In words.
    pub fn told(self) -> String {
        match self {
            Self::NoDevice => "no work queue is enabled".into(),
            Self::Lost => "its device stopped answering".into(),
            Self::NoSlot => "all entries of its work queue are taken".into(),
            Self::Again => "its shared work queue is full".into(),
            Self::TimedOut => "a descriptor did not complete in time".into(),
            Self::TooBig => "the compressed data do not fit the space for them".into(),
            Self::Overflow => "the decompressed data do not fit the space for them".into(),
            Self::Analytics(code) => format!("analytics error {code}"),
            Self::Invalid(status) => format!("completion status {status:#04x}"),
            Self::Unverified => "what was compressed does not decompress to what it was".into(),
            Self::NoRoom => "the device can map no more memory".into(),
            Self::Parts => "not all parts of a message completed".into(),
            Self::Busy => "it is in use".into(),
            Self::Unable => "the device makes no codes of the data".into(),
            Self::Wrong => "the name is taken or none, there are three modes already, or these are no codes".into(),
        }
    }

    /// As the layer has it: another device may do better.
    pub fn status(self) -> Status {
        Status::Engine { engine: "iaa".into(), what: self.told() }
    }
}

/// Why a message has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// In the driver's words, with the bytes of space that there were.
    Trouble(Trouble, usize),
    /// In the layer's.
    Status(Status),
}

impl Failure {
    /// Whether others have all the room there is.
    pub fn is_crowded(&self) -> bool {
        matches!(self, Self::Trouble(Trouble::NoSlot | Trouble::Again | Trouble::NoRoom, _))
    }

    pub fn errno(&self) -> i32 {
        match self {
            Self::Trouble(trouble, _) => trouble.errno(),
            Self::Status(status) => status.errno(),
        }
    }

    pub fn status(self) -> Status {
        match self {
            Self::Trouble(Trouble::TooBig | Trouble::Overflow, capacity) => Status::OutputTooSmall { capacity },
            Self::Trouble(trouble, _) => trouble.status(),
            Self::Status(status) => status,
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble, 0)
    }
}

pub type Ended = Result<Facts, Failure>;
