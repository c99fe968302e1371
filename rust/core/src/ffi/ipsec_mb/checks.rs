//! What can be looked at before a library is believed to be laid out as its version says.

use super::job::Job;
use super::lanes::Lanes;
use super::library::{Library, Manager, Table, offset};
use super::work::{Hash, Work};
use std::ffi::c_void;
use std::mem::{MaybeUninit, transmute};

/// `IMB_FEATURE_AESNI`. Without it the library emulates AES, with look-ups in tables.
const AESNI: u64 = 1 << 1;
/// Jobs in a manager's ring.
const RING: usize = 256;

/// Reads the table of a manager of so many bytes, looking whether everything in it points into the object that has
/// `own`, a function of the library.
pub(super) fn table(manager: Manager, size: usize, own: *const c_void) -> Result<Table, String> {
    if size < offset::JOBS + RING * size_of::<Job>() {
        return Err(format!("a manager is only {size} bytes"));
    }
    // SAFETY: the size covers it; any bits are a number.
    let features = unsafe { manager.as_ptr().byte_add(offset::FEATURES).cast::<u64>().read() };
    if features & AESNI == 0 {
        return Err("this CPU has no AES instructions".to_owned());
    }
    let home = object_of(own);
    let entry = |at: usize| -> Result<*const c_void, String> {
        // SAFETY: the size covers it; pointers are aligned there, and any bits are one.
        let code = unsafe { manager.as_ptr().byte_add(at).cast::<*const c_void>().read() };
        // A pointer to elsewhere, or a number, would be a sign of another layout.
        match object_of(code) {
            Some(found) if Some(found) == home => Ok(code),
            _ => Err(format!("what lies at {at} is no function of it")),
        }
    };
    // SAFETY: each is a function of the library, of the type that the header of every known version gives to that place.
    unsafe {
        let key_expand = |code| transmute::<*const c_void, unsafe extern "C" fn(*const u8, *mut u8, *mut u8)>(code);
        let one_block = |code| transmute::<*const c_void, unsafe extern "C" fn(*const u8, *mut u8)>(code);
        let job = |code| transmute::<*const c_void, unsafe extern "C" fn(*mut c_void) -> *mut Job>(code);
        let blocks = |first: usize, index: usize| entry(first + 8 * index).map(one_block);
        let hash = offset::SHA1_ONE_BLOCK;
        let one_block = [blocks(hash, 0)?, blocks(hash, 1)?, blocks(hash, 2)?, blocks(hash, 3)?, blocks(hash, 4)?];
        let gcm = offset::GCM128_PRE;
        let gcm_prepare = [blocks(gcm, 0)?, blocks(gcm, 1)?, blocks(gcm, 2)?];
        let expand = |at: usize| entry(at).map(key_expand);
        let first = offset::KEYEXP_128;
        let table = Table {
            key_expand: [expand(first)?, expand(first + 8)?, expand(first + 16)?],
            cmac_subkeys: [expand(offset::CMAC_SUBKEY_GEN_128)?, expand(offset::CMAC_SUBKEY_GEN_256)?],
            one_block,
            gcm_prepare,
            get_next_job: job(entry(offset::GET_NEXT_JOB)?),
            submit_job: job(entry(offset::SUBMIT_JOB)?),
            get_completed_job: job(entry(offset::GET_COMPLETED_JOB)?),
            flush_job: job(entry(offset::FLUSH_JOB)?),
        };
        let first = (table.get_next_job)(manager.as_ptr()) as usize;
        let ring = manager.as_ptr() as usize + offset::JOBS..manager.as_ptr() as usize + size;
        if !ring.contains(&first) {
            return Err("its first job is not in its ring".to_owned());
        }
        Ok(table)
    }
}

/// Where the object that holds this address begins.
fn object_of(code: *const c_void) -> Option<usize> {
    let mut told = MaybeUninit::<libc::Dl_info>::uninit();
    // SAFETY: any address may be asked for; `told` is filled in if the answer is not 0.
    if unsafe { libc::dladdr(code, told.as_mut_ptr()) } == 0 {
        return None;
    }
    // SAFETY: filled in.
    Some(unsafe { told.assume_init() }.dli_fbase as usize)
}

/// FIPS 180-4: SHA-256 of "abc".
const ABC: [u8; 32] = [
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61,
    0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
];

/// Whether a job goes through and gives what it must: the rest is left to the self-tests of what is offered.
pub(super) fn answers(library: &'static Library) -> Result<(), String> {
    let mut lanes = Lanes::of(library).ok_or("it makes no manager")?;
    let mut digests = [[0; 32]; 3];
    let mut done = Vec::new();
    lanes.batch(&mut done, |batch| {
        for (index, digest) in digests.iter_mut().enumerate() {
            batch.put(Work::Hash { hash: Hash::Sha256, source: b"abc", digest }, index);
        }
    });
    let is_right = done.iter().map(|done| (done.user, done.is_right)).eq([(0, true), (1, true), (2, true)]);
    if is_right && digests == [ABC; 3] { Ok(()) } else { Err("its SHA-256 of a known message is wrong".to_owned()) }
}
