//! How a request can fail. One small enum crosses every border; exceptions begin only where the await ends.

use std::fmt;

/// The reason a request did not produce its result. Messages name values and limits, never keys or data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// The caller broke a rule; reading their code is enough to fix it.
    Usage(String),
    /// The algorithm's name is not known.
    UnknownAlgorithm(String),
    /// The name is known, but no device here offers it; says who declined and why.
    NoEngine(String),
    /// A tag, MAC or signature did not match. Carries no detail on purpose.
    AuthenticationFailed,
    /// The source is damaged; `offset` counts source bytes up to where that showed.
    Corrupt { offset: u64, what: &'static str },
    /// The result does not fit the buffer given.
    OutputTooSmall { capacity: usize },
    /// The result would exceed the limit set for it.
    LimitExceeded { limit: u64 },
    /// The queue has no room now.
    QueueFull(String),
    /// The deadline passed before the work was started.
    DeadlineExceeded,
    /// The device went away with the request in its hands.
    DeviceLost(String),
    /// The caller withdrew the request.
    Cancelled,
    /// The layer was closed, or belongs to a parent process.
    Closed(&'static str),
    /// An engine failed in a way that is its own.
    Engine { engine: String, what: String },
    /// Our bug.
    Internal(String),
}

/// The result of anything that can end in a [`Status`].
pub type Outcome<T> = Result<T, Status>;

impl Status {
    /// A usage error from anything printable.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// The number that Linux has for it; `acrypto.kernel.errno` says the same of exceptions.
    pub fn errno(&self) -> i32 {
        match self {
            Self::OutputTooSmall { .. } | Self::LimitExceeded { .. } | Self::QueueFull(_) => libc::ENOSPC,
            Self::AuthenticationFailed => libc::EBADMSG,
            Self::Corrupt { .. } | Self::Usage(_) => libc::EINVAL,
            Self::UnknownAlgorithm(_) | Self::NoEngine(_) => libc::ENOENT,
            Self::DeadlineExceeded => libc::ETIMEDOUT,
            Self::DeviceLost(_) => libc::ENODEV,
            Self::Cancelled => libc::ECANCELED,
            Self::Closed(_) => libc::ESHUTDOWN,
            Self::Engine { .. } | Self::Internal(_) => libc::EIO,
        }
    }

    /// Whether the same request may succeed on another device.
    pub fn retryable(&self) -> bool {
        matches!(self, Self::DeviceLost(_) | Self::Engine { .. } | Self::Internal(_))
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(m) | Self::UnknownAlgorithm(m) | Self::NoEngine(m) | Self::QueueFull(m) => f.write_str(m),
            Self::AuthenticationFailed => f.write_str("authentication failed"),
            Self::Corrupt { offset, what } => write!(f, "{what} at offset {offset}"),
            Self::OutputTooSmall { capacity } => {
                write!(f, "the result does not fit the output buffer of {capacity} bytes")
            }
            Self::LimitExceeded { limit } => write!(f, "the output would exceed max_output, {limit} bytes"),
            Self::DeadlineExceeded => f.write_str("the deadline passed, or could not be met any more"),
            Self::DeviceLost(device) => write!(f, "device {device} went away with the operation in its hands"),
            Self::Cancelled => f.write_str("the operation was cancelled"),
            Self::Closed(why) => f.write_str(why),
            Self::Engine { engine, what } => write!(f, "engine {engine}: {what}"),
            Self::Internal(m) => write!(f, "internal error, please report it: {m}"),
        }
    }
}

impl std::error::Error for Status {}
