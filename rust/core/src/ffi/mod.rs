//! Safe faces over C libraries. The only modules beside `buffer` that may say `unsafe`; each block argues its case.

#![allow(unsafe_code)]

pub mod address;
pub mod awslc;
pub mod cdev;
pub mod cpu;
pub mod descriptor;
pub mod eventfd;
pub mod ipsec_mb;
pub mod isal;
pub mod isal_body;
pub mod isal_prepared;
mod isal_state;
pub mod libdeflate;
pub mod lz4;
pub mod openssl;
pub mod portal;
pub mod user;
pub mod window;
pub mod zlib;
