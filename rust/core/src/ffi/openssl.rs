//! AES-128-XTS by the system's OpenSSL, version 3.0 or newer, loaded at run time. Where there is none, there is none.
//!
//! AWS-LC has XTS for 256-bit keys only (docs/decisions/0019). The library is opened on first use and stays; its symbols
//! are our own (`RTLD_LOCAL`) and meet no other OpenSSL of the process. It is believed only after it has given a
//! published answer in both directions.

use crate::status::{Outcome, Status};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{NonNull, null, null_mut};
use std::sync::OnceLock;

/// Newest first. An OpenSSL of one of these names has the interface of 3.0.
const NAMES: [&CStr; 2] = [c"libcrypto.so.4", c"libcrypto.so.3"];

type Fetch = unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char) -> *const c_void;
type New = unsafe extern "C" fn() -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);
type Init = unsafe extern "C" fn(*mut c_void, *const c_void, *const u8, *const u8, c_int, *const c_void) -> c_int;
type Update = unsafe extern "C" fn(*mut c_void, *mut u8, *mut c_int, *const u8, c_int) -> c_int;
type Clear = unsafe extern "C" fn();

/// The functions that we call (openssl/evp.h, openssl/err.h), and the fetched cipher, which is never freed.
struct Library {
    cipher: NonNull<c_void>,
    new: New,
    free: Free,
    init: Init,
    update: Update,
    clear_errors: Clear,
}

// SAFETY: functions, and a fetched EVP_CIPHER, which OpenSSL lets all threads use.
unsafe impl Send for Library {}
// SAFETY: as above.
unsafe impl Sync for Library {}

impl Library {
    fn load() -> Option<Self> {
        // SAFETY: opens a library by a constant name; its initialisers are OpenSSL's, which may run at any time.
        let open = |name: &&CStr| NonNull::new(unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW) });
        let handle = NAMES.iter().find_map(open)?;
        // SAFETY: the handle is live and stays so; the name ends with 0.
        let find = |name: &CStr| NonNull::new(unsafe { libc::dlsym(handle.as_ptr(), name.as_ptr()) });
        let fetch = find(c"EVP_CIPHER_fetch")?;
        let (new, free) = (find(c"EVP_CIPHER_CTX_new")?, find(c"EVP_CIPHER_CTX_free")?);
        let (init, update) = (find(c"EVP_CipherInit_ex2")?, find(c"EVP_CipherUpdate")?);
        let clear_errors = find(c"ERR_clear_error")?;
        // SAFETY: these are the functions of those names, whose types evp.h and err.h give; they are OpenSSL's public
        // interface, the same throughout a major version, and EVP_CIPHER_fetch and EVP_CipherInit_ex2 exist since 3.0.
        let (fetch, mut library) = unsafe {
            (
                std::mem::transmute::<NonNull<c_void>, Fetch>(fetch),
                Self {
                    cipher: NonNull::dangling(),
                    new: std::mem::transmute::<NonNull<c_void>, New>(new),
                    free: std::mem::transmute::<NonNull<c_void>, Free>(free),
                    init: std::mem::transmute::<NonNull<c_void>, Init>(init),
                    update: std::mem::transmute::<NonNull<c_void>, Update>(update),
                    clear_errors: std::mem::transmute::<NonNull<c_void>, Clear>(clear_errors),
                },
            )
        };
        // SAFETY: the default context, a constant name, no properties; null if no provider has it.
        let cipher = unsafe { fetch(null_mut(), c"AES-128-XTS".as_ptr(), null()) };
        library.cipher = NonNull::new(cipher.cast_mut()).or_else(|| {
            library.refused();
            None
        })?;
        Some(library)
    }

    #[cold]
    fn refused(&self) -> Status {
        // SAFETY: empties this thread's error queue, which is all it touches.
        unsafe { (self.clear_errors)() };
        Status::Engine { engine: "openssl".to_owned(), what: "aes-128-xts failed".to_owned() }
    }
}

fn library() -> Option<&'static Library> {
    static LIBRARY: OnceLock<Option<Library>> = OnceLock::new();
    LIBRARY.get_or_init(Library::load).as_ref()
}

/// Whether there is an OpenSSL that encrypts and decrypts as IEEE 1619 says.
pub fn is_usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| is_right().unwrap_or(false))
}

/// IEEE 1619 B, vector 2.
fn is_right() -> Outcome<bool> {
    const PLAIN: [u8; 32] = [0x44; 32];
    const CIPHER: [u8; 32] = [
        0xc4, 0x54, 0x18, 0x5e, 0x6a, 0x16, 0x93, 0x6e, 0x39, 0x33, 0x40, 0x38, 0xac, 0xef, 0x83, 0x8b, 0xfb, 0x18,
        0x6f, 0xff, 0x74, 0x80, 0xad, 0xc4, 0x28, 0x93, 0x82, 0xec, 0xd6, 0xd3, 0x94, 0xf0,
    ];
    let mut key = [0x11; 32];
    key[16..].fill(0x22);
    let mut tweak = [0; 16];
    tweak[..5].fill(0x33);
    let (mut there, mut back) = ([0; 32], CIPHER);
    for _ in 0..2 {
        Xts::new(&key, true)?.unit(&tweak, Some(&PLAIN), &mut there)?;
    }
    Xts::new(&key, false)?.unit(&tweak, None, &mut back)?;
    Ok(there == CIPHER && back == PLAIN)
}

/// A keyed AES-128-XTS for one direction.
pub struct Xts {
    ctx: NonNull<c_void>,
    library: &'static Library,
}

// SAFETY: a context is one owned pointer, tied to no thread; OpenSSL allows it to move between them.
unsafe impl Send for Xts {}

impl Xts {
    pub fn new(key: &[u8; 32], encrypt: bool) -> Outcome<Self> {
        let library = library().ok_or_else(|| Status::NoEngine("no OpenSSL with aes-128-xts was found".to_owned()))?;
        // SAFETY: allocates, or returns null.
        let ctx = NonNull::new(unsafe { (library.new)() }).ok_or_else(|| library.refused())?;
        let xts = Self { ctx, library };
        let (cipher, encrypt) = (library.cipher.as_ptr().cast_const(), c_int::from(encrypt));
        // SAFETY: the context is live, the cipher was fetched, the key has the 32 bytes it reads; no tweak yet.
        let code = unsafe { (library.init)(ctx.as_ptr(), cipher, key.as_ptr(), null(), encrypt, null()) };
        if code == 1 { Ok(xts) } else { Err(library.refused()) }
    }

    /// One data unit of at least 16 bytes and at most 2^20 blocks, from `source`, or from `data` in place, into `data`.
    pub fn unit(&mut self, tweak: &[u8; 16], source: Option<&[u8]>, data: &mut [u8]) -> Outcome<()> {
        let len = c_int::try_from(data.len()).map_err(|_| self.library.refused())?;
        if source.is_some_and(|s| s.len() != data.len()) {
            return Err(Status::OutputTooSmall { capacity: data.len() });
        }
        let ctx = self.ctx.as_ptr();
        // SAFETY: the context is live and keyed; the tweak has the 16 bytes it reads; -1 keeps the direction.
        if unsafe { (self.library.init)(ctx, null(), null(), tweak.as_ptr(), -1, null()) } != 1 {
            return Err(self.library.refused());
        }
        let target = data.as_mut_ptr();
        let from = source.map_or(target.cast_const(), <[u8]>::as_ptr);
        let mut written = 0;
        // SAFETY: both span `len` bytes, the same or not overlapping; XTS writes as much as it reads, or nothing.
        let code = unsafe { (self.library.update)(ctx, target, &mut written, from, len) };
        if code == 1 && written == len { Ok(()) } else { Err(self.library.refused()) }
    }
}

impl Drop for Xts {
    fn drop(&mut self) {
        // SAFETY: we own the context and nobody uses it after this; OpenSSL overwrites the keys in it.
        unsafe { (self.library.free)(self.ctx.as_ptr()) }
    }
}
