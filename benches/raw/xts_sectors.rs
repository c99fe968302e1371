//! What the libraries themselves take for a run of AES-XTS sectors: one keyed context, and for each sector its tweak and
//! one call. The peers of benches/bench_sectors.py, which builds and runs this (an example of acrypto-core, so that
//! AWS-LC is the very same one).
//!
//! Arguments: bytes of a sector, sectors of a run, seconds for each row. Prints "library key-bits op nanoseconds-a-run"
//! lines: the median of the samples.

#![allow(
    unsafe_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::undocumented_unsafe_blocks
)]

use aws_lc_sys as sys;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::hint::black_box;
use std::mem::transmute;
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

type Context = *mut c_void;
type Init =
    unsafe extern "C" fn(Context, *const c_void, *mut c_void, *const u8, *const u8, c_int) -> c_int;
type Update = unsafe extern "C" fn(Context, *mut u8, *mut c_int, *const u8, c_int) -> c_int;

/// A library's three functions, and a keyed context of it.
struct Peer {
    name: String,
    context: Context,
    init: Init,
    update: Update,
}

impl Peer {
    fn run(&self, sector: usize, from: &[u8], to: &mut [u8], first: u128) {
        for (number, (from, to)) in (0..).zip(from.chunks(sector).zip(to.chunks_mut(sector))) {
            let tweak = first.wrapping_add(number).to_le_bytes();
            let mut written = 0;
            unsafe {
                assert_eq!(
                    1,
                    (self.init)(self.context, null(), null_mut(), null(), tweak.as_ptr(), -1)
                );
                let len = c_int::try_from(sector).unwrap();
                assert_eq!(
                    1,
                    (self.update)(
                        self.context,
                        to.as_mut_ptr(),
                        &mut written,
                        from.as_ptr(),
                        len
                    )
                );
            }
        }
    }
}

fn awslc(key: &[u8], encrypt: bool) -> Peer {
    unsafe {
        let context = sys::EVP_CIPHER_CTX_new();
        let cipher = sys::EVP_aes_256_xts();
        assert_eq!(
            1,
            sys::EVP_CipherInit_ex(
                context,
                cipher,
                null_mut(),
                key.as_ptr(),
                null(),
                encrypt.into()
            )
        );
        Peer {
            name: "aws-lc".to_owned(),
            context: context.cast(),
            init: transmute::<*const c_void, Init>(sys::EVP_CipherInit_ex as *const c_void),
            update: transmute::<*const c_void, Update>(sys::EVP_CipherUpdate as *const c_void),
        }
    }
}

/// The system's OpenSSL, if it is there.
fn openssl(key: &[u8], encrypt: bool) -> Option<Peer> {
    unsafe {
        let library = [c"libcrypto.so.4", c"libcrypto.so.3"]
            .iter()
            .map(|name| libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL))
            .find(|library| !library.is_null())?;
        let find = |name: &CStr| {
            let found = libc::dlsym(library, name.as_ptr());
            assert!(!found.is_null(), "{name:?}");
            found
        };
        let new = transmute::<*mut c_void, unsafe extern "C" fn() -> Context>(find(
            c"EVP_CIPHER_CTX_new",
        ));
        let table = if key.len() == 32 {
            c"EVP_aes_128_xts"
        } else {
            c"EVP_aes_256_xts"
        };
        let table = transmute::<*mut c_void, unsafe extern "C" fn() -> *const c_void>(find(table));
        let version = transmute::<*mut c_void, unsafe extern "C" fn(c_int) -> *const c_char>(find(
            c"OpenSSL_version",
        ));
        let init = transmute::<*mut c_void, Init>(find(c"EVP_CipherInit_ex"));
        let update = transmute::<*mut c_void, Update>(find(c"EVP_CipherUpdate"));
        let context = new();
        assert_eq!(
            1,
            init(
                context,
                table(),
                null_mut(),
                key.as_ptr(),
                null(),
                encrypt.into()
            )
        );
        let version = CStr::from_ptr(version(0)).to_string_lossy();
        let name = version
            .split(' ')
            .take(2)
            .collect::<Vec<_>>()
            .join("-")
            .to_lowercase();
        Some(Peer {
            name,
            context,
            init,
            update,
        })
    }
}

const LINE: usize = 64;

fn line(bytes: &mut [u8]) -> &mut [u8] {
    let skip = bytes.as_ptr().align_offset(LINE);
    &mut bytes[skip..]
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: f64| {
        asked
            .get(at)
            .map_or(default, |text| text.parse().expect("a number"))
    };
    let (sector, count, seconds) = (
        number(0, 4096.0) as usize,
        number(1, 16.0) as usize,
        number(2, 0.2),
    );
    // At the start of a cache line, where the libraries are fastest.
    let (mut from, mut to) = (
        vec![0u8; sector * count + LINE],
        vec![0u8; sector * count + LINE],
    );
    let (from, to) = (line(&mut from), line(&mut to));
    let (from, to) = (&mut from[..sector * count], &mut to[..sector * count]);
    from.iter_mut()
        .zip((0..=250).cycle())
        .for_each(|(byte, value)| *byte = value);
    let key: Vec<u8> = (0..64).collect();
    for (bits, len) in [(256, 64), (128, 32)] {
        for (op, encrypt) in [("encrypt", true), ("decrypt", false)] {
            let ours = (bits == 256).then(|| awslc(&key, encrypt));
            for peer in ours.into_iter().chain(openssl(&key[..len], encrypt)) {
                let mut samples = Vec::new();
                let end = Instant::now() + Duration::from_secs_f64(seconds);
                while Instant::now() < end {
                    let started = Instant::now();
                    for first in 0..64 {
                        peer.run(sector, black_box(from), black_box(to), first);
                    }
                    samples.push(started.elapsed().as_secs_f64() * 1e9 / 64.0);
                }
                samples.sort_by(f64::total_cmp);
                println!(
                    "{} {bits} {op} {:.1}",
                    peer.name,
                    samples[samples.len() / 2]
                );
            }
        }
    }
}
