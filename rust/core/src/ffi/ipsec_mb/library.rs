//! The library: where it is looked for, which versions are known, and the functions of its managers.

use super::checks;
use super::job::Job;
use libloading::{Library as Handle, Symbol};
use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicPtr, Ordering};

/// Names one file to load instead of the usual ones; what it cannot load is absent.
pub const PATH_VARIABLE: &str = "ACRYPTO_IPSEC_MB";

/// The names of Debian's and upstream's builds, newest first: 2.x, then 1.x.
const NAMES: [&str; 2] = ["libIPSec_MB.so.2", "libIPSec_MB.so.1"];

/// Major and minor versions whose headers were read: all have the fields and the functions used here at the same
/// places. 1.4's and 3.0's are not known.
const KNOWN: [(u32, u32); 3] = [(1, 3), (1, 5), (2, 0)];

/// What to do where there is none.
const HINT: &str = "install Debian's libipsec-mb1 or libipsec-mb2";

pub(super) type Manager = NonNull<c_void>;
type NextJob = unsafe extern "C" fn(*mut c_void) -> *mut Job;
type KeyExpand = unsafe extern "C" fn(*const u8, *mut u8, *mut u8);
type OneBlock = unsafe extern "C" fn(*const u8, *mut u8);

/// Functions of a manager that was made for this CPU; the same ones for each of them.
pub(super) struct Table {
    pub get_next_job: NextJob,
    pub submit_job: NextJob,
    pub get_completed_job: NextJob,
    pub flush_job: NextJob,
    /// For keys of 16, 24 and 32 bytes: key, encryption schedule, decryption schedule.
    pub key_expand: [KeyExpand; 3],
    /// Encryption schedule, first and second subkey; for keys of 16 and 32 bytes.
    pub cmac_subkeys: [KeyExpand; 2],
    /// SHA-1, 224, 256, 384, 512: the state after one block.
    pub one_block: [OneBlock; 5],
    /// For keys of 16, 24 and 32 bytes: key, key data.
    pub gcm_prepare: [OneBlock; 3],
}

/// Where the manager has what is read of it, in bytes, in every known version (`tests.rs` compares).
pub(super) mod offset {
    pub const FEATURES: usize = 8;
    pub const GET_NEXT_JOB: usize = 64;
    pub const SUBMIT_JOB: usize = 72;
    pub const GET_COMPLETED_JOB: usize = 88;
    pub const FLUSH_JOB: usize = 96;
    pub const KEYEXP_128: usize = 112;
    pub const CMAC_SUBKEY_GEN_128: usize = 136;
    pub const SHA1_ONE_BLOCK: usize = 160;
    pub const GCM128_PRE: usize = 448;
    pub const CMAC_SUBKEY_GEN_256: usize = 808;
    /// Bytes in front of the ring of jobs, at least.
    pub const JOBS: usize = 1024;
}

/// See the head of this file. Loaded once, never unloaded, shared by all threads.
pub struct Library {
    version: String,
    file: String,
    alloc: unsafe extern "C" fn(u64) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    init_auto: unsafe extern "C" fn(*mut c_void, *mut c_int),
    get_errno: unsafe extern "C" fn(*mut c_void) -> c_int,
    pub(super) table: Table,
    /// Keeps the code mapped.
    _handle: Handle,
}

/// What was found. No lock: a thread that is gone in a forked child may have been loading.
static FOUND: AtomicPtr<Library> = AtomicPtr::new(null_mut());

impl Library {
    /// The library, loaded at the first call.
    ///
    /// Fails with the reason, in words for a user, if there is none, if its version is not known, or if it does not
    /// look, or answer, as that version does. Looked for again at the next call, then.
    pub fn get() -> Result<&'static Self, String> {
        if let Some(found) = Self::found() {
            return Ok(found);
        }
        // Two threads may load it at once, and one copy of the table is then lost: never its code, which is mapped once.
        let loaded: &'static Self = Box::leak(Box::new(Self::load()?));
        checks::answers(loaded).map_err(|what| format!("{} {}: {what}", loaded.file, loaded.version))?;
        FOUND.store(std::ptr::from_ref(loaded).cast_mut(), Ordering::Release);
        Ok(loaded)
    }

    fn found() -> Option<&'static Self> {
        // SAFETY: null, or a library that is never freed and was complete when it was stored.
        unsafe { FOUND.load(Ordering::Acquire).as_ref() }
    }

    /// Its version: `1.3.0`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The name or path that it was loaded by.
    pub fn file(&self) -> &str {
        &self.file
    }

    fn load() -> Result<Self, String> {
        if let Some(path) = std::env::var_os(PATH_VARIABLE).filter(|path| !path.is_empty()) {
            let told = path.to_string_lossy().into_owned();
            // SAFETY: loading runs the initialisers of a library that the user has named.
            let handle = unsafe { Handle::new(&path) }.map_err(|error| format!("{PATH_VARIABLE}={told}: {error}"))?;
            return Self::look(handle, told);
        }
        for name in NAMES {
            // SAFETY: loading runs the library's initialisers, which read the CPU's features and nothing else.
            if let Ok(handle) = unsafe { Handle::new(name) } {
                return Self::look(handle, name.to_owned());
            }
        }
        Err(format!("{} is not installed; {HINT}", NAMES.join(" or ")))
    }

    fn look(handle: Handle, file: String) -> Result<Self, String> {
        // SAFETY: the types are those of the library's header, the same in all versions that have these.
        let (number, text, alloc, free, init_auto, get_errno, get_size) = unsafe {
            (
                *symbol::<unsafe extern "C" fn() -> c_uint>(&handle, "imb_get_version")?,
                *symbol::<unsafe extern "C" fn() -> *const c_char>(&handle, "imb_get_version_str")?,
                *symbol::<unsafe extern "C" fn(u64) -> *mut c_void>(&handle, "alloc_mb_mgr")?,
                *symbol::<unsafe extern "C" fn(*mut c_void)>(&handle, "free_mb_mgr")?,
                *symbol::<unsafe extern "C" fn(*mut c_void, *mut c_int)>(&handle, "init_mb_mgr_auto")?,
                *symbol::<unsafe extern "C" fn(*mut c_void) -> c_int>(&handle, "imb_get_errno")?,
                *symbol::<unsafe extern "C" fn() -> usize>(&handle, "imb_get_mb_mgr_size")?,
            )
        };
        // SAFETY: takes nothing, returns a number.
        let number = unsafe { number() };
        // SAFETY: returns a string that lives as long as the library.
        let version = unsafe { CStr::from_ptr(text()) }.to_string_lossy().into_owned();
        if !KNOWN.contains(&(number >> 16, number >> 8 & 0xff)) {
            let known: Vec<String> = KNOWN.iter().map(|(major, minor)| format!("{major}.{minor}")).collect();
            return Err(format!("{file}: version {version} is not known; known are {}", known.join(", ")));
        }
        // SAFETY: takes nothing, returns a number.
        let size = unsafe { get_size() };
        let wrong = |what: String| format!("{file} {version} does not look as that version does: {what}");
        // SAFETY: takes flags, none here, and gives null or a manager that is ours to free.
        let first = NonNull::new(unsafe { alloc(0) }).ok_or_else(|| wrong("it makes no manager".to_owned()))?;
        // SAFETY: the manager is live, and is initialised by this.
        unsafe { init_auto(first.as_ptr(), null_mut()) };
        // SAFETY: the manager is live.
        let errno = unsafe { get_errno(first.as_ptr()) };
        let table = if errno == 0 {
            checks::table(first, size, alloc as *const c_void)
        } else {
            Err(format!("error {errno} at its start"))
        };
        // SAFETY: the manager is live and not used after this.
        unsafe { free(first.as_ptr()) };
        let table = table.map_err(wrong)?;
        Ok(Self { version, file, alloc, free, init_auto, get_errno, table, _handle: handle })
    }

    /// A manager of its own; `None` without memory.
    pub(super) fn make(&self) -> Option<Manager> {
        // SAFETY: takes flags, none here, and gives null or a manager that is ours to free.
        let manager = NonNull::new(unsafe { (self.alloc)(0) })?;
        // SAFETY: the manager is live, and is initialised by this.
        unsafe { (self.init_auto)(manager.as_ptr(), null_mut()) };
        Some(manager)
    }

    /// The library's number for what went wrong last; 0 for nothing.
    pub(super) fn error(&self, manager: Manager) -> i32 {
        // SAFETY: the manager is live.
        unsafe { (self.get_errno)(manager.as_ptr()) }
    }

    /// Ends a manager.
    ///
    /// # Safety
    /// It came from [`make`](Self::make), and nobody uses it after this.
    pub(super) unsafe fn end(&self, manager: Manager) {
        // SAFETY: as told.
        unsafe { (self.free)(manager.as_ptr()) }
    }
}

/// # Safety
/// The type must be that of the symbol.
unsafe fn symbol<'a, T>(handle: &'a Handle, name: &str) -> Result<Symbol<'a, T>, String> {
    // SAFETY: as told.
    unsafe { handle.get(name.as_bytes()) }.map_err(|_| format!("it is no libIPSec_MB: {name} is missing"))
}
