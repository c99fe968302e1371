//! Many threads at once, with the device's own, and real time.

use super::*;
use crate::idxd::model::{Death, Harm, Injection};
use std::sync::atomic::AtomicBool;

fn device(threads: usize) -> Device {
    let device = Device::new(Capabilities { threads, ..Capabilities::default() }).unwrap();
    device.enable().unwrap();
    device
}

fn wait(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}

/// Stores one at a time and waits for its record, so often.
fn one_by_one(queue: &Arc<dyn Queue>, records: &Memory, index: usize, times: usize, helps: impl Fn(usize) -> bool) {
    for turn in 0..times {
        records.clear(index);
        queue.store(&noop(records, index));
        while records.status(index) == 0 {
            if !helps(turn) || !queue.help() {
                std::thread::yield_now();
            }
        }
    }
}

#[test]
fn no_store_is_slept_through() {
    let device = device(2);
    let queue = device.enable_queue(0, QueueConfig::default()).unwrap();
    let records = Memory::new(&queue, 64 * 64, true);
    for turn in 0..20 {
        std::thread::scope(|scope| {
            for index in 0..4 {
                let (queue, records) = (&queue, &records);
                // Some help themselves and then leave it to the device, whose threads sleep or nap by then.
                scope.spawn(move || one_by_one(queue, records, index, 50, |at| (at / 10 + turn + index) % 3 == 0));
            }
        });
    }
    assert_eq!(device.statistics().queues[0].completed, 4_000);
}

#[test]
fn a_record_is_whole_when_its_status_is_seen() {
    let device = device(1);
    let queue = device.enable_queue(0, QueueConfig::default()).unwrap();
    let (records, from) = (Memory::new(&queue, 64, true), Memory::new(&queue, 4096, false));
    let to = Memory::new(&queue, 4096, true);
    for turn in 1..20_000u32 {
        let len = turn % 4096;
        records.fill(0);
        queue.store(&told(&records, 0, copying(&from, &to, len)));
        while records.status(0) == 0 {
            std::hint::spin_loop();
            if turn % 16 == 0 {
                queue.help();
            }
        }
        let record = records.record(0);
        assert_eq!((record.status, record.bytes_completed), (SUCCESS, len));
    }
}

#[test]
fn what_a_removed_queue_had_is_never_touched_again() {
    let device = device(1);
    for turn in 0..200usize {
        let queue = device.enable_queue(0, QueueConfig { size: 64, ..QueueConfig::default() }).unwrap();
        let (records, from) = (Memory::new(&queue, 64 * 64, true), Memory::new(&queue, 512, false));
        let to = Memory::new(&queue, 512, true);
        device.knobs().set("other_ns", (turn % 3 * 1_000) as f64).unwrap();
        from.fill(3);
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (queue, records, from, to, stop) = (&queue, &records, &from, &to, &stop);
            for part in 0..2 {
                scope.spawn(move || {
                    for index in (0..64).cycle().filter(|index| index % 2 == part) {
                        if stop.load(Ordering::Acquire) {
                            break;
                        }
                        queue.store(&told(records, index, copying(from, to, 512)));
                        queue.help();
                    }
                });
            }
            wait(|| records.status(turn % 64) != 0);
            if turn % 4 == 3 {
                device.reset()
            } else {
                device.disable_queue(0, turn % 2 == 0).unwrap()
            }
            // The mappings are still there: a late write would be seen.
            records.fill(0xee);
            to.fill(0xee);
            (0..100).for_each(|_| std::thread::yield_now());
            assert!(records.bytes().iter().chain(&to.bytes()).all(|byte| *byte == 0xee));
            stop.store(true, Ordering::Release);
        });
        if turn % 4 == 3 {
            device.enable().unwrap();
        }
        if turn % 4 != 3 {
            assert!(!queue.is_alive());
        }
    }
}

#[test]
fn every_descriptor_is_completed_or_counted() {
    let device = device(1);
    device.calm(42);
    device.inject(Injection { harm: Harm::Lose, chance: 0.05, count: u64::MAX }).unwrap();
    device.inject(Injection { harm: Harm::Fail(status::HARDWARE_ERROR), chance: 0.05, count: u64::MAX }).unwrap();
    device.inject(Injection { harm: Harm::Delay(2_000), chance: 0.1, count: u64::MAX }).unwrap();
    let queue = device.enable_queue(0, QueueConfig { mode: Mode::Shared, size: 32, ..QueueConfig::default() }).unwrap();
    let records = Memory::new(&queue, 4 * 64, true);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let deaths = scope.spawn(|| {
            let mut turn = 0usize;
            while !done.load(Ordering::Acquire) {
                let (_, death) = Death::ALL[turn % 3];
                device.kill(death);
                device.revive();
                (0..50).for_each(|_| std::thread::yield_now());
                turn += 1;
            }
        });
        let submitters: Vec<_> = (0..4)
            .map(|index| {
                let (queue, records) = (&queue, &records);
                scope.spawn(move || {
                    for _ in 0..2_000 {
                        while !queue.enqueue(&noop(records, index)) {
                            std::thread::yield_now();
                        }
                        if index % 2 == 0 {
                            queue.help();
                        }
                    }
                })
            })
            .collect();
        submitters.into_iter().for_each(|thread| thread.join().unwrap());
        done.store(true, Ordering::Release);
        deaths.join().unwrap();
    });
    device.disable_queue(1, false).unwrap_err();
    let idle = || {
        let counted = device.statistics().queues.remove(0);
        counted.waiting == 0 && counted.in_flight == 0
    };
    wait(idle);
    let counted = device.statistics().queues.remove(0);
    assert_eq!(counted.accepted, 8_000);
    assert_eq!(counted.completed + counted.aborted, 8_000);
    assert!(counted.by_status.iter().map(|(_, count)| count).sum::<u64>() <= counted.completed);
}

#[test]
fn closing_a_device_ends_its_threads_whatever_they_do() {
    for turn in 0..50 {
        let device = device(2);
        let queue = device.enable_queue(0, QueueConfig::default()).unwrap();
        let records = Memory::new(&queue, 16 * 64, true);
        (0..turn % 16).for_each(|index| queue.store(&noop(&records, index)));
        drop(device);
        assert!(!queue.is_alive() && !queue.help());
    }
}
