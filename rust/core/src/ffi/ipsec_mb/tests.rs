#![allow(clippy::unwrap_used, clippy::panic)]
//! The layout against the installed header, if there is one; lanes against known answers, if there is a library.

use super::job::Job;
use super::library::offset;
use super::*;
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Field of the header, and where ours is.
fn job_fields() -> Vec<(&'static str, usize)> {
    vec![
        ("enc_keys", offset_of!(Job, enc_keys)),
        ("dec_keys", offset_of!(Job, dec_keys)),
        ("key_len_in_bytes", offset_of!(Job, key_len)),
        ("src", offset_of!(Job, src)),
        ("dst", offset_of!(Job, dst)),
        ("cipher_start_src_offset_in_bytes", offset_of!(Job, cipher_offset)),
        ("msg_len_to_cipher_in_bytes", offset_of!(Job, cipher_len)),
        ("hash_start_src_offset_in_bytes", offset_of!(Job, hash_offset)),
        ("msg_len_to_hash_in_bytes", offset_of!(Job, hash_len)),
        ("iv", offset_of!(Job, iv)),
        ("iv_len_in_bytes", offset_of!(Job, iv_len)),
        ("auth_tag_output", offset_of!(Job, tag)),
        ("auth_tag_output_len_in_bytes", offset_of!(Job, tag_len)),
        ("u", offset_of!(Job, auth)),
        ("u.HMAC._hashed_auth_key_xor_opad", offset_of!(Job, auth) + 8),
        ("u.CMAC._skey2", offset_of!(Job, auth) + 16),
        ("u.GCM.aad_len_in_bytes", offset_of!(Job, auth) + 8),
        ("u.CCM.aad_len_in_bytes", offset_of!(Job, auth) + 8),
        ("u.CHACHA20_POLY1305.aad_len_in_bytes", offset_of!(Job, auth) + 8),
        ("status", offset_of!(Job, status)),
        ("cipher_mode", offset_of!(Job, cipher)),
        ("cipher_direction", offset_of!(Job, direction)),
        ("hash_alg", offset_of!(Job, hash)),
        ("chain_order", offset_of!(Job, order)),
        ("user_data", offset_of!(Job, user_data)),
        ("user_data2", offset_of!(Job, user_data2)),
        ("cipher_func", offset_of!(Job, cipher_func)),
        ("hash_func", offset_of!(Job, hash_func)),
        ("sgl_state", offset_of!(Job, sgl_state)),
    ]
}

const MANAGER_FIELDS: [(&str, usize); 13] = [
    ("features", offset::FEATURES),
    ("get_next_job", offset::GET_NEXT_JOB),
    ("submit_job", offset::SUBMIT_JOB),
    ("get_completed_job", offset::GET_COMPLETED_JOB),
    ("flush_job", offset::FLUSH_JOB),
    ("keyexp_128", offset::KEYEXP_128),
    ("keyexp_256", offset::KEYEXP_128 + 16),
    ("cmac_subkey_gen_128", offset::CMAC_SUBKEY_GEN_128),
    ("cmac_subkey_gen_256", offset::CMAC_SUBKEY_GEN_256),
    ("sha1_one_block", offset::SHA1_ONE_BLOCK),
    ("sha512_one_block", offset::SHA1_ONE_BLOCK + 32),
    ("gcm128_pre", offset::GCM128_PRE),
    ("gcm256_pre", offset::GCM128_PRE + 16),
];

fn numbers() -> Vec<(&'static str, i32)> {
    use super::job::{self, cipher, hash};
    vec![
        ("IMB_STATUS_COMPLETED", job::COMPLETED),
        ("IMB_CIPHER_CBC", cipher::CBC),
        ("IMB_CIPHER_CNTR", cipher::CTR),
        ("IMB_CIPHER_NULL", cipher::NULL),
        ("IMB_CIPHER_GCM", cipher::GCM),
        ("IMB_CIPHER_CCM", cipher::CCM),
        ("IMB_CIPHER_CHACHA20_POLY1305", cipher::CHACHA20_POLY1305),
        ("IMB_AUTH_HMAC_SHA_1", hash::HMAC_SHA1),
        ("IMB_AUTH_HMAC_SHA_512", hash::HMAC_SHA1 + 4),
        ("IMB_AUTH_NULL", hash::NULL),
        ("IMB_AUTH_AES_GMAC", hash::GMAC),
        ("IMB_AUTH_AES_CCM", hash::CCM),
        ("IMB_AUTH_AES_CMAC", hash::CMAC_128),
        ("IMB_AUTH_AES_CMAC_256", hash::CMAC_256),
        ("IMB_AUTH_SHA_1", hash::SHA1),
        ("IMB_AUTH_SHA_512", hash::SHA1 + 4),
        ("IMB_AUTH_CHACHA20_POLY1305", hash::CHACHA20_POLY1305),
        ("IMB_DIR_ENCRYPT", job::ENCRYPT),
        ("IMB_DIR_DECRYPT", job::DECRYPT),
        ("IMB_ORDER_CIPHER_HASH", job::CIPHER_HASH),
        ("IMB_ORDER_HASH_CIPHER", job::HASH_CIPHER),
    ]
}

#[test]
fn the_layout_is_that_of_the_installed_header() {
    // Another version's headers may be named, to prove them as well.
    let include = std::env::var("ACRYPTO_IPSEC_MB_INCLUDE").unwrap_or_else(|_| "/usr/include".to_owned());
    if !Path::new(&include).join("intel-ipsec-mb.h").exists() {
        println!("skipped: intel-ipsec-mb.h is not installed (Debian: libipsec-mb-dev)");
        return;
    }
    let mut lines = vec!["#include <stddef.h>\n#include <intel-ipsec-mb.h>".to_owned()];
    let same =
        |what: String, number: usize| format!("_Static_assert({what} == {number}, \"{}\");", what.replace('"', ""));
    lines.extend(job_fields().iter().map(|(name, at)| same(format!("offsetof(IMB_JOB, {name})"), *at)));
    lines.extend(MANAGER_FIELDS.iter().map(|(name, at)| same(format!("offsetof(IMB_MGR, {name})"), *at)));
    lines.extend(numbers().iter().map(|(name, number)| same(format!("(int){name}"), *number as usize)));
    lines.push(format!("_Static_assert(sizeof(IMB_JOB) >= {}, \"job\");", size_of::<Job>()));
    lines.push(format!("_Static_assert(offsetof(IMB_MGR, jobs) >= {}, \"jobs\");", offset::JOBS));
    lines.push("_Static_assert(sizeof(struct gcm_key_data) <= 2048, \"gcm\");".to_owned());
    lines.push("_Static_assert(IMB_MAX_JOBS == 256, \"ring\");".to_owned());
    let folder = std::env::temp_dir().join(format!("acrypto-ipsec-mb-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let source = folder.join("layout.c");
    std::fs::write(&source, lines.join("\n")).unwrap();
    let told = Command::new("cc").args(["-fsyntax-only", "-I", &include]).arg(&source).output();
    std::fs::remove_dir_all(&folder).unwrap();
    match told {
        Err(error) => println!("skipped: no C compiler: {error}"),
        Ok(told) => assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr)),
    }
}

/// Lanes, if the library is here.
fn lanes() -> Option<Lanes> {
    match Library::get() {
        Ok(library) => Lanes::of(library),
        Err(reason) => {
            println!("skipped: {reason}");
            None
        }
    }
}

fn sha256(message: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    crate::ffi::awslc::digest(crate::ffi::awslc::Hash::Sha256, message, &mut digest).unwrap();
    digest
}

#[test]
fn more_jobs_than_the_ring_holds_all_come_out_right() {
    let Some(mut lanes) = lanes() else { return };
    let messages: Vec<Vec<u8>> = (1..1000usize).map(|len| vec![len as u8; len * 37 % 5000 + 1]).collect();
    let mut digests = vec![[0; 32]; messages.len()];
    let mut done = Vec::new();
    lanes.batch(&mut done, |batch| {
        for (user, (source, digest)) in messages.iter().zip(&mut digests).enumerate() {
            assert!(batch.put(Work::Hash { hash: Hash::Sha256, source, digest }, user));
        }
    });
    assert!(messages.iter().zip(&digests).all(|(message, digest)| sha256(message) == *digest));
    assert!(done.iter().all(|done| done.is_right));
    let mut users: Vec<usize> = done.iter().map(|done| done.user).collect();
    users.sort_unstable();
    assert!(users.into_iter().eq(0..messages.len()));
}

#[test]
fn what_does_not_fit_is_refused_before_the_library_sees_it() {
    let Some(mut lanes) = lanes() else { return };
    let library = lanes.library();
    let key = AesKey::new(library, &[1; 16]).unwrap();
    assert!(AesKey::new(library, &[1; 17]).is_none() && GcmKey::new(library, &[1; 8]).is_none());
    assert!(CmacKey::new(library, &[1; 24]).is_none());
    let gcm = GcmKey::new(library, &[1; 16]).unwrap();
    let (source, mut target, mut tag) = (vec![0; LANE_MOST + 16], vec![0; LANE_MOST + 16], [0; 33]);
    let mut done = Vec::new();
    lanes.batch(&mut done, |batch| {
        let (digest, _) = tag.split_at_mut(31);
        assert!(!batch.put(Work::Hash { hash: Hash::Sha256, source: &source[..1], digest }, 0));
    });
    let mut refused = |iv: &[u8], from: usize, to: usize| {
        let mut done = Vec::new();
        let (source, target, key) = (&source[..from], &mut target[..to], &key);
        let mut is_in = true;
        lanes.batch(&mut done, |batch| is_in = batch.put(Work::Cbc { key, encrypt: true, iv, source, target }, 0));
        !is_in && done.is_empty()
    };
    assert!(refused(&[0; 15], 16, 16) && refused(&[0; 16], 16, 32) && refused(&[0; 16], 17, 17));
    assert!(refused(&[0; 16], 0, 0) && refused(&[0; 16], LANE_MOST + 16, LANE_MOST + 16));
    assert!(!refused(&[0; 16], LANE_MOST, LANE_MOST));
    let (head, _) = tag.split_at_mut(16);
    let (nonce, source, target) = ([0; 13], &source[..5], &mut target[..5]);
    let key = Aead::Gcm(&gcm);
    lanes.batch(&mut done, |batch| {
        assert!(!batch.put(Work::Aead { key, encrypt: true, nonce: &nonce, ad: b"", source, target, tag: head }, 0));
    });
    assert!(done.is_empty());
}

#[test]
fn a_panic_while_lanes_are_filled_leaves_nothing_in_them() {
    let Some(mut lanes) = lanes() else { return };
    let mut digest = [0; 32];
    let mut done = Vec::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        lanes.batch(&mut done, |batch| {
            batch.put(Work::Hash { hash: Hash::Sha256, source: b"abc", digest: &mut digest }, 7);
            panic!("on purpose");
        });
    }));
    assert!(outcome.is_err() && lanes.out() == 0);
    assert_eq!((done, digest), (vec![Done { user: 7, is_right: true }], sha256(b"abc")));
}

/// Counts how many of them are dropped.
struct Parcel {
    messages: Vec<Vec<u8>>,
    digests: Vec<[u8; 32]>,
    dropped: Arc<AtomicUsize>,
    panics: bool,
}

impl Drop for Parcel {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

impl Cargo for Parcel {
    fn load<'a>(&'a mut self, loader: &mut Loader<'_, 'a>) {
        for (number, (source, digest)) in self.messages.iter().zip(&mut self.digests).enumerate() {
            assert!(loader.put(Work::Hash { hash: Hash::Sha256, source, digest }, number));
        }
        assert!(!self.panics, "on purpose");
    }
}

fn parcel(count: usize, dropped: &Arc<AtomicUsize>) -> Box<Parcel> {
    let messages = (0..count).map(|i| vec![i as u8; 1 + i * 131 % 3000]).collect();
    Box::new(Parcel { messages, digests: vec![[0; 32]; count], dropped: Arc::clone(dropped), panics: false })
}

#[test]
fn cargo_of_any_size_comes_back_once_and_complete() {
    let Some(lanes) = lanes() else { return };
    let dropped = Arc::default();
    let mut flight = Flight::new(lanes);
    let mut back = Vec::new();
    for count in [1, 0, 40, 3, 300, 2, 16, 0, 1] {
        flight.put(parcel(count, &dropped));
        back.append(&mut flight.returned());
    }
    let (mut rest, lanes) = flight.land();
    back.append(&mut rest);
    let mut counts: Vec<usize> = back.iter().map(|back| back.cargo.digests.len()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [0, 0, 1, 1, 2, 3, 16, 40, 300]);
    for Returned { cargo, failed } in &back {
        assert!(failed.is_empty());
        assert!(cargo.messages.iter().zip(&cargo.digests).all(|(message, digest)| sha256(message) == *digest));
    }
    assert_eq!((dropped.load(Ordering::Relaxed), lanes.map(|lanes| lanes.out())), (0, Some(0)));
    drop(back);
    assert_eq!(dropped.load(Ordering::Relaxed), 9);
}

#[test]
fn cargo_under_way_is_finished_before_it_is_dropped() {
    let Some(lanes) = lanes() else { return };
    let dropped = Arc::default();
    let mut flight = Flight::new(lanes);
    flight.put(parcel(5, &dropped));
    let mut bad = parcel(3, &dropped);
    bad.panics = true;
    assert!(catch_unwind(AssertUnwindSafe(|| flight.put(bad))).is_err());
    assert_eq!((flight.out(), dropped.load(Ordering::Relaxed)), (0, 0));
    flight.put(parcel(2, &dropped));
    drop(flight);
    assert_eq!(dropped.load(Ordering::Relaxed), 3);
}
