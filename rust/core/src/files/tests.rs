use super::*;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const LONG: Duration = Duration::from_secs(60);

/// A folder that goes when the test does.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("acrypto-files-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 253) as u8).collect()
}

fn wanted(name: &str, params: &Params, message: &[u8]) -> Vec<u8> {
    let mut hasher = stream::hasher(name, params).unwrap();
    hasher.update(message);
    hasher.finish()
}

fn job(workers: usize, mapped: bool, piece: Option<usize>) -> Digests {
    Digests::new(Settings { workers, mapped, ordered: true, piece }).unwrap()
}

fn path_task(path: &Path, spec: &Arc<Spec>) -> Task {
    Task { input: Input::Path(path.to_owned()), spec: Arc::clone(spec) }
}

fn all(job: &Digests, count: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    while rows.len() < count {
        let more = job.take(count, LONG).unwrap();
        assert!(!more.is_empty(), "no result for a minute");
        rows.extend(more);
    }
    rows
}

#[test]
fn every_size_has_the_digest_of_its_bytes() {
    let folder = Folder::new("sizes");
    let piece = window::page();
    let sizes: Vec<usize> = (0..7).flat_map(|n| [n * piece, n * piece + 1, (n + 1) * piece - 1]).collect();
    let paths: Vec<PathBuf> = sizes.iter().map(|n| folder.file(&n.to_string(), &bytes(*n))).collect();
    let long = Params { digest_size: Some(131), ..Params::default() };
    let keyed = Params { key: Some(b"key".to_vec().into()), ..Params::default() };
    let plain = Params::default;
    for (name, params) in
        [("sha256", plain()), ("crc32c", plain()), ("blake3", plain()), ("blake3", long), ("hmac(sha256)", keyed)]
    {
        let spec = Spec::new(name, params.clone()).unwrap();
        for (workers, mapped) in [(1, false), (2, true), (4, false), (5, true)] {
            let job = job(workers, mapped, Some(piece));
            job.submit(paths.iter().map(|path| path_task(path, &spec)).collect()).unwrap();
            for (at, row) in all(&job, sizes.len()).into_iter().enumerate() {
                assert_eq!((row.index, row.bytes), (at as u64, sizes[at] as u64));
                assert_eq!(row.outcome.unwrap(), wanted(name, &params, &bytes(sizes[at])), "{name} of {}", sizes[at]);
            }
            let progress = job.progress();
            assert_eq!((progress.files, progress.bytes), (sizes.len() as u64, sizes.iter().sum::<usize>() as u64));
            assert!(mapped || progress.most_mapped == 0);
            assert!(progress.most_mapped <= MOST_MAPPED);
        }
    }
}

#[test]
fn pieces_that_threads_may_map_together_keep_to_the_budget() {
    for workers in [1, 2, 3, 16, 64, 1000] {
        let piece = piece::fitting(true, workers);
        assert!(subtrees::is_piece(piece as u64), "{piece}");
        assert!(piece == window::page() || piece * workers * piece::AHEAD as usize <= MOST_MAPPED);
    }
}

#[test]
fn an_open_file_is_hashed_from_where_it_stands_and_left_at_its_end() {
    let folder = Folder::new("open");
    let data = bytes(20_000);
    for (name, piece) in [("sha256", 1024), ("blake3", 4096), ("sha256", 1 << 20), ("blake3", 1 << 20)] {
        let mut file = File::open(folder.file("data", &data)).unwrap();
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(1234)).unwrap();
        let copy: OwnedFd = file.try_clone().unwrap().into();
        let job = job(2, true, Some(piece.max(window::page())));
        let spec = Spec::new(name, Params::default()).unwrap();
        job.submit(vec![Task { input: Input::Open(copy), spec }]).unwrap();
        let row = all(&job, 1).remove(0);
        assert_eq!(row.outcome.unwrap(), wanted(name, &Params::default(), &data[1234..]));
        assert_eq!(std::io::Seek::stream_position(&mut file).unwrap(), 20_000);
    }
}

#[test]
fn errors_are_the_files_own_and_stop_no_other() {
    let folder = Folder::new("errors");
    let good = folder.file("good", b"abc");
    let spec = Spec::new("sha256", Params::default()).unwrap();
    let zero = PathBuf::from(std::ffi::OsStr::from_bytes(b"a\0b"));
    let paths = [folder.0.join("lost"), good.clone(), folder.0.clone(), good, zero];
    let job = job(2, false, None);
    job.submit(paths.iter().map(|path| path_task(path, &spec)).collect()).unwrap();
    let outcomes: Vec<_> = all(&job, 5).into_iter().map(|row| row.outcome).collect();
    let failed = |errno| Err(Failure::Os { errno, offset: None });
    assert_eq!(outcomes[0], failed(libc::ENOENT));
    assert_eq!(outcomes[2], failed(libc::EISDIR));
    assert_eq!(outcomes[4], failed(libc::EINVAL));
    for at in [1, 3] {
        assert_eq!(outcomes[at].as_ref().unwrap(), &wanted("sha256", &Params::default(), b"abc"));
    }
}

#[test]
fn a_pipe_without_a_writer_does_not_keep_a_job_from_ending() {
    let (reading, writing) = std::io::pipe().unwrap();
    let spec = Spec::new("sha256", Params::default()).unwrap();
    let job = job(1, false, None);
    job.submit(vec![Task { input: Input::Open(reading.into()), spec }]).unwrap();
    assert_eq!(job.take(1, Duration::from_millis(1)).map(|rows| rows.len()), Ok(0));
    job.cancel();
    assert!(job.wait_ended(LONG));
    assert_eq!(job.take(1, LONG).err(), Some(Status::Cancelled));
    assert!(job.submit(Vec::new()).is_err());
    drop(writing);
}

#[test]
fn results_come_in_order_or_as_they_end() {
    let folder = Folder::new("order");
    let small = folder.file("small", b"abc");
    let (reading, writing) = std::io::pipe().unwrap();
    let spec = Spec::new("sha256", Params::default()).unwrap();
    let job = Digests::new(Settings { workers: 2, mapped: false, ordered: false, piece: None }).unwrap();
    let first = Task { input: Input::Open(reading.into()), spec: Arc::clone(&spec) };
    job.submit(vec![first, path_task(&small, &spec)]).unwrap();
    assert_eq!(all(&job, 1).remove(0).index, 1);
    drop(writing);
    assert_eq!(all(&job, 1).remove(0).index, 0);
}

#[test]
fn settings_out_of_range_are_refused() {
    let bad = |workers, mapped, piece| Digests::new(Settings { workers, mapped, ordered: true, piece }).err();
    for (workers, mapped, piece) in [
        (0, false, None),
        (1025, false, None),
        (1, false, Some(1000)),
        (1, true, Some(1024)),
        (1, false, Some(1 << 30)),
    ] {
        assert!(matches!(bad(workers, mapped, piece), Some(Status::Usage(_))), "{workers} {mapped} {piece:?}");
    }
    assert!(matches!(Spec::new("sha257", Params::default()).err(), Some(Status::UnknownAlgorithm(_))));
    assert!(matches!(Spec::new("hmac(sha1)", Params::default()).err(), Some(Status::Usage(_))));
}
