//! Engines that live in the core.

pub mod external;
pub mod faulty;
pub mod host;
pub mod iaa;
pub mod multibuffer;
pub mod null;
pub mod pcrypt;
pub mod simulated;
pub mod software;
pub mod via;
