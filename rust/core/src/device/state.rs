//! What state a device is in.

/// Whether a device takes work; see the head of `device.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    Up = 0,
    Suspect = 1,
    Trickle = 2,
    Quarantined = 3,
    Broken = 4,
    Draining = 5,
    Closed = 6,
}

impl State {
    pub const ALL: [Self; 7] =
        [Self::Up, Self::Suspect, Self::Trickle, Self::Quarantined, Self::Broken, Self::Draining, Self::Closed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Suspect => "suspect",
            Self::Trickle => "trickle",
            Self::Quarantined => "quarantined",
            Self::Broken => "broken",
            Self::Draining => "draining",
            Self::Closed => "closed",
        }
    }
}
