//! Engines that live in the core.

pub mod external;
pub mod faulty;
pub mod null;
pub mod software;
