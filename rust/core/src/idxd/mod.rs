//! Intel's data accelerators (idxd) as a driver meets them: descriptors, completion records, work queues, and a model of
//! the device for machines without one.
//!
//! `wire` is what travels, bit for bit as `<linux/idxd.h>` has it; `space` the memory that a device may reach; `port` what
//! a driver holds of a work queue, whoever made it; `operation` what a device does when told, and `aecs` the records of
//! codec state that it reads and writes. Nothing here knows of layers or requests: it is of use by itself.

pub mod aecs;
pub mod cdev;
pub mod first_light;
pub mod model;
pub mod operation;
pub mod port;
pub mod slots;
pub mod space;
pub mod wire;
