//! The driver over a model: what comes out is right, whatever comes, goes, fails or dies meanwhile.

use super::driver::{Driver, SyncMode};
use super::form::Form;
use super::modes::Mode;
use super::table::{Mapping, Topology};
use super::task::Message;
use super::trouble::{Failure, Trouble};
use crate::alg::huffman::CANNED;
use crate::alg::{self, Call, Direction, Job, Params, Transform};
use crate::buffer::{EMPTY, Output, Pool, Source};
use crate::idxd::model::{Capabilities, Death, Device, QueueConfig};
use crate::idxd::port;
use crate::status::{Outcome, Status};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Devices whose queues are bound to one driver; they are closed before it.
struct Rig {
    driver: Arc<Driver>,
    devices: Vec<Device>,
    pool: Arc<Pool>,
}

fn config(mode: port::Mode, size: usize) -> QueueConfig {
    let threshold = if mode == port::Mode::Shared { size } else { 0 };
    QueueConfig { mode, size, threshold, ..QueueConfig::default() }
}

fn device(id: u32, threads: usize) -> Device {
    let capabilities =
        Capabilities { name: format!("iax{id}"), id, threads, max_transfer: 1 << 21, ..Capabilities::default() };
    let device = Device::new(capabilities).unwrap();
    device.enable().unwrap();
    device
}

fn rig_with(num: u32, threads: usize, settings: (SyncMode, bool)) -> Rig {
    let driver = Arc::new(Driver::new(Topology::even(1, 2), Mapping::Nodes));
    driver.set_sync_mode(settings.0).unwrap();
    driver.set_verify(settings.1).unwrap();
    let devices: Vec<Device> = (0..num).map(|index| device(index * 2 + 1, threads)).collect();
    for device in &devices {
        driver.bind(device.enable_queue(0, config(port::Mode::Dedicated, 16)).unwrap()).unwrap();
    }
    Rig { driver, devices, pool: Pool::new(1 << 20) }
}

fn rig() -> Rig {
    rig_with(1, 1, (SyncMode::Sync, true))
}

impl Rig {
    fn form(&self, mode: Mode) -> Form {
        Form::new(&self.driver, mode, "test", &Params::default()).unwrap()
    }

    fn run(&self, form: &Form, direction: Direction, bytes: &[u8]) -> Outcome<Vec<u8>> {
        let source = Source::from(bytes.to_vec());
        let mut output = Output::pooled(&self.pool);
        let call = Call { direction, source: &source, nonce: &[], ad: &EMPTY, tag: &[], max_output: 1 << 22 };
        form.run(&call, &mut output).map(|_| output.as_slice().to_vec())
    }

    fn run_into(&self, form: &Form, direction: Direction, bytes: &[u8], room: &mut [u8]) -> Result<usize, i32> {
        let source = Source::from(bytes.to_vec());
        // SAFETY: `room` outlives `output`.
        #[allow(unsafe_code)]
        let mut output = unsafe { Output::fixed(&self.pool, room.as_mut_ptr(), room.len()) };
        let mut message = Message { form, direction, source: &source, output: &mut output, max_output: u64::MAX };
        let ended = form.finish(&mut message);
        ended.map(|_| output.len()).map_err(|failure: Failure| failure.errno())
    }

    fn total(&self, name: &str) -> u64 {
        self.driver.statistics.totals().iter().find(|(known, _)| *known == name).unwrap().1
    }
}

fn page(seed: usize) -> Vec<u8> {
    (0..4096).map(|i| b"Join us now and share the software; "[(i * (seed % 7 + 1) + i / 97 + seed) % 36]).collect()
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x1234_5678_9abc_def1u64;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect()
}

const MODES: [Mode; 4] = [Mode::Fixed, Mode::Dynamic, Mode::Canned, Mode::ByN(4)];

#[test]
fn what_was_compressed_comes_back_in_every_mode_with_and_without_verification() {
    for verify in [false, true] {
        let rig = rig_with(2, 1, (SyncMode::Sync, verify));
        for mode in MODES {
            let form = rig.form(mode);
            for bytes in
                [vec![], vec![7], b"abc".to_vec(), page(1), page(2)[..4095].to_vec(), noise(4096), noise(70_000)]
            {
                let packed = rig.run(&form, Direction::Compress, &bytes).unwrap();
                assert_eq!(rig.run(&form, Direction::Decompress, &packed).unwrap(), bytes, "{mode:?} {}", bytes.len());
            }
        }
        assert!(rig.devices.iter().all(|device| device.iommu().num_mapped() < 16), "requests' memory is unmapped");
    }
}

#[test]
fn any_inflater_reads_fixed_and_dynamic_streams_and_the_twin_reads_canned_ones() {
    let rig = rig();
    for (mode, reader) in [(Mode::Fixed, "deflate"), (Mode::Dynamic, "deflate"), (Mode::Canned, "deflate-canned")] {
        let packed = rig.run(&rig.form(mode), Direction::Compress, &page(3)).unwrap();
        let reader = alg::compile(reader, &Params::default()).unwrap();
        let (source, mut output) = (Source::from(packed), Output::pooled(&rig.pool));
        let call = Call {
            direction: Direction::Decompress,
            source: &source,
            nonce: &[],
            ad: &EMPTY,
            tag: &[],
            max_output: 4096,
        };
        reader.run(&call, &mut output).unwrap();
        assert_eq!(output.as_slice(), page(3), "{mode:?}");
    }
}

#[test]
fn what_the_device_cannot_read_is_read_in_software_and_counted() {
    let rig = rig();
    let form = rig.form(Mode::Fixed);
    let far: Vec<u8> = noise(9000).into_iter().chain(noise(9000)).collect();
    let packed = alg::compile("deflate", &Params { level: Some(6), ..Params::default() }).unwrap();
    let (source, mut output) = (Source::from(far.clone()), Output::pooled(&rig.pool));
    let call =
        Call { direction: Direction::Compress, source: &source, nonce: &[], ad: &EMPTY, tag: &[], max_output: 0 };
    packed.run(&call, &mut output).unwrap();
    let before = rig.total("total_sw_decomp_calls");
    assert_eq!(rig.run(&form, Direction::Decompress, output.as_slice()).unwrap(), far);
    assert_eq!(rig.total("total_sw_decomp_calls"), before + 1);
    assert!(matches!(rig.run(&form, Direction::Decompress, b"\xff\xff\xff"), Err(Status::Corrupt { .. })));
}

#[test]
fn results_that_do_not_fit_have_the_kernels_numbers() {
    let rig = rig();
    let form = rig.form(Mode::Fixed);
    let mut small = [0u8; 64];
    assert_eq!(rig.run_into(&form, Direction::Compress, &noise(4096), &mut small), Err(libc::E2BIG));
    let packed = rig.run(&form, Direction::Compress, &page(1)).unwrap();
    assert_eq!(rig.run_into(&form, Direction::Decompress, &packed, &mut small), Err(libc::EOVERFLOW));
    let mut room = vec![0; 4096];
    assert_eq!(rig.run_into(&form, Direction::Decompress, &packed, &mut room), Ok(4096));
    assert_eq!(room, page(1));
}

#[test]
fn batches_give_what_single_messages_give_in_either_way_of_waiting() {
    for mode in [SyncMode::Sync, SyncMode::Async, SyncMode::AsyncIrq] {
        let rig = rig_with(1, 1, (mode, false));
        let form = rig.form(Mode::Fixed);
        let sources: Vec<Source> = (0..100).map(|index| Source::from(page(index))).collect();
        let mut outputs: Vec<Output> = sources.iter().map(|_| Output::pooled(&rig.pool)).collect();
        let mut jobs: Vec<Job<'_>> = sources
            .iter()
            .zip(&mut outputs)
            .map(|(source, output)| {
                let direction = Direction::Compress;
                let call = Call { direction, source, nonce: &[], ad: &EMPTY, tag: &[], max_output: 0 };
                Job { transform: &form, call, output }
            })
            .collect();
        assert!(form.run_many(&mut jobs).iter().all(Result::is_ok));
        drop(jobs);
        for (index, output) in outputs.iter().enumerate() {
            assert_eq!(output.as_slice(), rig.run(&form, Direction::Compress, &page(index)).unwrap());
        }
    }
}

#[test]
fn calls_are_refused_while_no_queue_is_bound_and_taken_again_afterwards() {
    let rig = rig();
    let form = rig.form(Mode::Fixed);
    rig.driver.unbind(1, 0).unwrap();
    assert!(!rig.driver.is_enabled() && rig.driver.is_registered());
    let later = rig.form(Mode::Fixed);
    for form in [&form, &later] {
        assert_eq!(rig.run_into(form, Direction::Compress, &page(1), &mut [0; 4096]), Err(libc::ENODEV));
    }
    rig.devices[0].disable_queue(0, false).unwrap();
    let queue = rig.devices[0].enable_queue(0, config(port::Mode::Dedicated, 4)).unwrap();
    rig.driver.bind(Arc::clone(&queue)).unwrap();
    assert_eq!(rig.driver.bind(queue).err(), Some(Trouble::Busy));
    for form in [form, later] {
        assert_eq!(form.max_transfer, 1 << 21);
        assert!(rig.run(&form, Direction::Compress, &page(1)).is_ok());
    }
    assert_eq!(rig.total("total_sw_comp_calls"), 0);
}

#[test]
fn settings_hold_while_it_is_enabled_and_transforms_keep_theirs() {
    let rig = rig();
    let form = rig.form(Mode::Fixed);
    assert_eq!(rig.driver.set_verify(false), Err(Trouble::Busy));
    assert_eq!(rig.driver.set_sync_mode(SyncMode::Async), Err(Trouble::Busy));
    rig.driver.unbind(1, 0).unwrap();
    rig.driver.set_verify(false).unwrap();
    rig.driver.set_sync_mode(SyncMode::Async).unwrap();
    assert!(form.settings.verify && form.settings.sync_mode == SyncMode::Sync);
    assert!(!rig.form(Mode::Fixed).settings.verify);
}

#[test]
fn a_stuck_device_disables_the_driver_and_later_calls_do_not_hang() {
    let rig = rig();
    let form = rig.form(Mode::Fixed);
    rig.driver.set_patience(1000, Duration::ZERO);
    rig.devices[0].kill(Death::Silent);
    assert_eq!(rig.run_into(&form, Direction::Compress, &page(1), &mut [0; 4096]), Err(libc::ETIMEDOUT));
    assert_eq!(rig.run_into(&form, Direction::Compress, &page(1), &mut [0; 4096]), Err(libc::ENODEV));
    assert!(rig.driver.trouble().is_some());
    assert!(!rig.driver.revive(), "it still does not answer");
    rig.devices[0].revive();
    rig.driver.set_patience(1000, Duration::from_secs(5)); // whoever has it may be kept from running by others
    assert!(rig.driver.revive() && rig.driver.trouble().is_none());
    rig.driver.set_patience(1000, Duration::from_secs(60)); // the thread that does it may have to wait for a core
    assert!(rig.run(&form, Direction::Compress, &page(1)).is_ok());
}

#[test]
fn codes_of_ones_own_are_a_mode_that_any_inflater_reads() {
    let driver = Arc::new(Driver::new(Topology::even(1, 2), Mapping::Nodes));
    assert_eq!(driver.add_mode("logs", &CANNED), Err(Trouble::Wrong), "there is room for three");
    assert_eq!(driver.remove_mode("nothing"), Err(Trouble::Wrong));
    driver.remove_mode("canned").unwrap();
    assert_eq!(driver.add_mode("fixed", &CANNED), Err(Trouble::Wrong));
    driver.add_mode("logs", &CANNED).unwrap();
    assert!(super::mode_of(&driver, "deflate-iaa-canned").is_none());
    let device = device(1, 1);
    driver.bind(device.enable_queue(0, config(port::Mode::Dedicated, 16)).unwrap()).unwrap();
    assert_eq!(
        (driver.add_mode("more", &CANNED), driver.remove_mode("logs")),
        (Err(Trouble::Busy), Err(Trouble::Busy))
    );
    let rig = Rig { driver, devices: vec![device], pool: Pool::new(1 << 20) };
    let mode = super::mode_of(&rig.driver, "deflate-iaa-logs").unwrap();
    for bytes in [page(1), noise(5000)] {
        let packed = rig.run(&rig.form(mode), Direction::Compress, &bytes).unwrap();
        assert_eq!(rig.run(&rig.form(Mode::Fixed), Direction::Decompress, &packed).unwrap(), bytes);
    }
}

#[test]
fn what_a_dead_device_had_is_done_by_another() {
    let rig = rig_with(2, 1, (SyncMode::Sync, true));
    let form = rig.form(Mode::Fixed);
    rig.devices[0].kill(Death::Dropped);
    for seed in 0..20 {
        let packed = rig.run(&form, Direction::Compress, &page(seed)).unwrap();
        assert_eq!(rig.run(&form, Direction::Decompress, &packed).unwrap(), page(seed));
    }
    rig.devices[1].kill(Death::Dropped);
    assert!(rig.run(&form, Direction::Compress, &page(1)).is_err());
    rig.devices[0].revive();
    assert!(rig.driver.revive());
    assert!(rig.run(&form, Direction::Compress, &page(1)).is_ok());
}

#[test]
fn a_shared_queue_that_is_full_says_so_and_loses_nothing() {
    let driver = Arc::new(Driver::new(Topology::even(1, 2), Mapping::Nodes));
    let device = device(1, 1);
    driver.bind(device.enable_queue(0, config(port::Mode::Shared, 4)).unwrap()).unwrap();
    let rig = Rig { driver, devices: vec![device], pool: Pool::new(1 << 20) };
    let form = rig.form(Mode::Canned);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (rig, form) = (&rig, &form);
            scope.spawn(move || {
                for turn in 0..200 {
                    let bytes = page(seed * 1000 + turn);
                    // "Again" is an answer that callers get; what was accepted is right.
                    if let Ok(packed) = rig.run(form, Direction::Compress, &bytes) {
                        assert_eq!(rig.run(form, Direction::Decompress, &packed).unwrap(), bytes);
                    }
                }
            });
        }
    });
}

/// Hazards: a queue that goes with requests under way, a device that dies with them, completions that come late.
#[test]
fn queues_and_devices_come_and_go_under_load_and_every_result_is_right() {
    let rig = rig_with(2, 1, (SyncMode::Sync, false));
    let form = rig.form(Mode::Fixed);
    let (is_over, right) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let (rig, form, is_over, right) = (&rig, &form, &is_over, &right);
            scope.spawn(move || {
                let mut turn = 0;
                while !is_over.load(Ordering::SeqCst) {
                    turn += 1;
                    let bytes = page(seed * 1000 + turn);
                    let Ok(packed) = rig.run(form, Direction::Compress, &bytes) else { continue };
                    if let Ok(back) = rig.run(form, Direction::Decompress, &packed) {
                        assert_eq!(back, bytes);
                        right.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
        let wait = |more: usize| {
            let goal = right.load(Ordering::SeqCst) + more;
            while right.load(Ordering::SeqCst) < goal {
                std::thread::yield_now();
            }
        };
        for round in 0..30 {
            wait(5);
            let (id, device) = if round % 2 == 0 { (1, &rig.devices[0]) } else { (3, &rig.devices[1]) };
            match round % 3 {
                0 => {
                    rig.driver.unbind(id, 0).unwrap();
                    device.disable_queue(0, round % 2 == 0).unwrap();
                    wait(5);
                    rig.driver.bind(device.enable_queue(0, config(port::Mode::Dedicated, 3)).unwrap()).unwrap();
                }
                1 => {
                    device.kill(Death::Dropped);
                    wait(5);
                    device.revive();
                    rig.driver.revive();
                }
                _ => {
                    device.kill(Death::Held);
                    wait(5);
                    device.revive();
                    rig.driver.revive();
                }
            }
        }
        is_over.store(true, Ordering::SeqCst);
    });
    assert!(right.load(Ordering::SeqCst) > 100);
    drop(form);
    let queues = rig.driver.queues().1;
    assert!(queues.iter().all(|queue| queue.in_flight() == 0));
}
