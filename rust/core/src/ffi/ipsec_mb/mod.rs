//! Safe faces over intel-ipsec-mb, found at run time: many messages at once, each in a lane of a vector register.
//!
//! Neither its header nor the library is needed to build. [`Library::get`] loads it, tells its version, and looks
//! whether everything lies where that version has it; a version that is not known is refused, whatever it offers.
//!
//! Said once, for every block below. A manager is one owned pointer, made by the library and freed by it, used by one
//! thread at a time (it is `Send`, not `Sync`) and bound to no thread. The functions of its table are code of the
//! library, which is never unloaded. A job points to the caller's memory until the library gives it back: [`Lanes`]
//! gets there only through [`Lanes::batch`], which takes everything back before the borrows end, and through
//! [`Flight`], which owns what its jobs point to.

mod checks;
mod flight;
mod job;
mod keys;
mod lanes;
mod library;
#[cfg(test)]
mod tests;
mod work;

pub use flight::{Cargo, Flight, Loader, Returned};
pub use keys::{AesKey, CmacKey, GcmKey, HmacKey, Secret};
pub use lanes::{Batch, Done, Lanes, MOST_OUT};
pub use library::{Library, PATH_VARIABLE};
pub use work::{Aead, Hash, LANE_MOST, Work};
