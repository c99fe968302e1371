//! The laws of transfers, and that memory outlives whoever asked for it.

#![allow(unsafe_code)] // a loan is a promise

use super::job::{Cargo, Job};
use super::*;
use crate::buffer::{Output, PAGED, Pool};
use crate::ffi::descriptor::page_size;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl Counted {
    fn boxed(bytes: &[u8], alive: &Arc<AtomicUsize>) -> Option<Box<dyn Loan>> {
        alive.fetch_add(1, Ordering::Relaxed);
        Some(Box::new(Self(bytes.to_vec(), Arc::clone(alive))))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

// SAFETY: a vector's bytes do not move with it, and nobody writes to these.
unsafe impl Loan for Counted {
    fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 % 251) as u8).collect()
}

/// A file that has no name any more.
fn file(bytes: &[u8]) -> File {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let name = format!("acrypto-disk-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name);
    let mut file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn vias() -> Vec<Via> {
    let pool = Pool::new(1 << 20);
    let how = Reading { piece: page_size(), ahead: 1, offset: Some(0), length: None, direct: false, via: Via::Uring };
    match Reader::new(&pool, file(b"").as_raw_fd(), how) {
        Ok(_) => vec![Via::Uring, Via::Threads],
        Err(_) => vec![Via::Threads], // this kernel has none, or forbids it
    }
}

fn read_all(reader: &Reader) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        match reader.next(LONG).unwrap() {
            Look::Is(Some(piece)) => all.extend_from_slice(piece.as_slice()),
            Look::Is(None) => return all,
            Look::Later => {}
        }
    }
}

fn job(wanted: usize, align: usize, writes: bool) -> Job {
    let mut output = Output::pooled(&Pool::new(0));
    output.paged(PAGED).unwrap();
    Job::new(0, Cargo::Own(output), writes, 8192, wanted, align)
}

#[test]
fn a_short_call_is_continued_where_it_ended() {
    let mut job = job(10_000, 1, false);
    assert_eq!(job.rest(), (8192, 0, 10_000));
    assert!(!job.took(0, Ok(5)));
    assert_eq!(job.rest(), (8197, 5, 9_995));
    assert!(!job.took(5, Err(ErrorKind::Interrupted.into())));
    assert!(!job.took(5, Err(Error::from_raw_os_error(libc::ECANCELED))));
    assert!(job.took(5, Ok(0)));
    assert_eq!((job.moved, job.error), (5, None));
}

#[test]
fn a_short_aligned_call_is_continued_on_its_boundary() {
    let mut job = job(10_000, 4096, false);
    assert_eq!(job.rest(), (8192, 0, 12_288));
    assert!(!job.took(0, Ok(5000)));
    assert_eq!(job.rest(), (8192 + 4096, 4096, 8192));
    assert!(job.took(4096, Ok(904)), "the same bytes again: that is the end");
    assert_eq!((job.moved, job.error), (5000, None));
}

#[test]
fn more_than_was_wanted_is_not_moved() {
    let mut job = job(5000, 4096, false);
    assert!(job.took(0, Ok(8192)));
    assert_eq!(job.moved, 5000);
}

#[test]
fn a_write_that_makes_no_progress_is_an_error() {
    let mut job = job(5000, 1, true);
    assert!(job.took(0, Ok(0)));
    assert_eq!(job.error, Some(libc::EIO));
}

#[test]
fn what_one_call_cannot_move_is_moved_by_more() {
    let most = Job::new(0, Cargo::Own(Output::pooled(&Pool::new(0))), true, 0, usize::MAX - (1 << 20), 4096);
    assert_eq!(most.rest(), (0, 0, 0x7fff_f000));
}

#[test]
fn what_is_written_is_read_again() {
    let (pool, bytes) = (Pool::new(1 << 22), sample(700_003));
    for via in vias() {
        for direct in [false, true] {
            let (file, alive) = (file(b""), Arc::new(AtomicUsize::new(0)));
            let how = Writing { behind: 100_000, offset: Some(0), direct, via };
            let writer = Writer::new(&pool, file.as_raw_fd(), how).unwrap();
            for part in bytes.chunks(60_000) {
                let mut piece = Counted::boxed(part, &alive);
                while let Look::Later = writer.write(&mut piece, LONG).unwrap() {}
                assert!(alive.load(Ordering::Relaxed) <= 3, "at most what may wait is held");
            }
            while let Look::Later = writer.flush(LONG).unwrap() {}
            assert_eq!(alive.load(Ordering::Relaxed), 0);
            let how = Reading { piece: page_size(), ahead: 3, offset: Some(0), length: None, direct, via };
            let reader = Reader::new(&pool, file.as_raw_fd(), how).unwrap();
            let found = read_all(&reader);
            let same = found.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
            assert_eq!((same, found.len()), (bytes.len(), bytes.len()), "{via:?}, direct: {direct}");
            assert_eq!(reader.position(), bytes.len() as u64);
        }
    }
}

#[test]
fn dropping_gives_all_memory_back() {
    let (pool, bytes, alive) = (Pool::new(64 << 20), sample(1 << 20), Arc::new(AtomicUsize::new(0)));
    for via in vias() {
        for direct in [false, true] {
            let file = file(&bytes);
            let how = Reading { piece: page_size(), ahead: 50, offset: Some(0), length: None, direct, via };
            let reader = Reader::new(&pool, file.as_raw_fd(), how).unwrap();
            let piece = reader.next(LONG).unwrap();
            let how = Writing { behind: usize::MAX, offset: Some(0), direct, via };
            let writer = Writer::new(&pool, file.as_raw_fd(), how).unwrap();
            for _ in 0..20 {
                writer.write(&mut Counted::boxed(&bytes, &alive), LONG).unwrap();
            }
            drop((reader, writer, piece));
            assert_eq!(alive.load(Ordering::Relaxed), 0);
            let taken = pool.misses.load(Ordering::Relaxed);
            assert!(taken <= 51 + 1 + 20, "{taken} pieces were made anew: some were lost");
        }
    }
}

#[test]
fn cancelling_wakes_whoever_waits_for_a_pipe() {
    let (out, mut into) = std::io::pipe().unwrap();
    let pool = Pool::new(1 << 20);
    let how = Reading { piece: page_size(), ahead: 2, offset: None, length: None, direct: false, via: Via::Auto };
    let reader = Reader::new(&pool, out.as_raw_fd(), how).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| reader.next(LONG).map(drop_piece));
        reader.cancel();
        assert_eq!(waiting.join().unwrap(), Err(CANCELLED.into()));
    });
    drop(reader);
    into.write_all(b"for others").unwrap();
    drop(into);
    let mut rest = String::new();
    { out }.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "for others");
}

fn drop_piece(_: Look<Option<Output>>) {}
