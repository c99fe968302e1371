//! Harm, death, resets and what is left of those who were in flight.

use super::*;
use crate::idxd::model::{Death, Harm, Injection};

fn inject(rig: &Rig, harm: Harm, count: u64) {
    rig.device.inject(Injection { harm, chance: 1.0, count }).unwrap();
}

#[test]
fn the_next_so_many_end_with_the_status_asked_for() {
    let rig = Rig::new(1);
    let (queue, records) = rig.plain();
    inject(&rig, Harm::Fail(status::HARDWARE_ERROR), 2);
    (0..3).for_each(|index| queue.store(&noop(&records, index)));
    run(&queue);
    let statuses: Vec<u8> = (0..3).map(|index| records.status(index)).collect();
    assert_eq!(statuses, [status::HARDWARE_ERROR, status::HARDWARE_ERROR, SUCCESS]);
}

#[test]
fn a_lost_completion_is_never_told_and_its_engine_goes_on() {
    let rig = Rig::new(1);
    let (queue, records) = rig.plain();
    inject(&rig, Harm::Lose, 1);
    (0..2).for_each(|index| queue.store(&noop(&records, index)));
    queue.store(&told(&records, 2, Descriptor::new(opcode::DRAIN, 0)));
    run(&queue);
    assert_eq!(records.done(), [1, 2]);
}

#[test]
fn corruption_flips_one_bit_of_the_result() {
    let rig = Rig::new(1);
    let (queue, records) = rig.plain();
    let (from, to) = (Memory::new(&queue, 256, false), Memory::new(&queue, 256, true));
    from.fill(0x55);
    inject(&rig, Harm::Corrupt, 1);
    queue.store(&told(&records, 0, copying(&from, &to, 256)));
    run(&queue);
    let differing: u32 = to.bytes().iter().map(|byte| (byte ^ 0x55).count_ones()).sum();
    assert_eq!((records.status(0), differing), (SUCCESS, 1));
}

#[test]
fn a_delay_delays() {
    let rig = Rig::new(1);
    let (queue, records) = rig.plain();
    inject(&rig, Harm::Delay(700), 1);
    queue.store(&noop(&records, 0));
    rig.advance(&queue, 0);
    rig.advance(&queue, 699);
    assert_eq!(records.done(), []);
    rig.advance(&queue, 1);
    assert_eq!(records.done(), [0]);
}

#[test]
fn a_stuck_device_takes_and_never_completes_and_can_be_reset() {
    let rig = Rig::new(2);
    let (queue, records) = rig.plain();
    inject(&rig, Harm::Stick, 2);
    (0..8).for_each(|index| queue.store(&noop(&records, index)));
    run(&queue);
    assert_eq!(records.done(), []);
    assert!(queue.is_alive());
    rig.device.disable_queue(0, false).unwrap(); // does not wait for ever
    rig.device.reset();
    assert!(!queue.is_alive());
    rig.device.enable().unwrap();
    let (queue, records) = rig.plain();
    queue.store(&noop(&records, 0));
    run(&queue);
    assert_eq!(records.done(), [0]);
}

#[test]
fn after_a_reset_nothing_of_before_is_written() {
    let rig = Rig::new(2);
    let (queue, records) = rig.plain();
    rig.tune("other_ns", 100);
    (0..6).for_each(|index| queue.store(&noop(&records, index)));
    run(&queue); // two are on their way, four wait
    rig.device.reset();
    rig.clock.spend(1_000);
    run(&queue);
    queue.store(&noop(&records, 7)); // into a portal that nobody looks at
    rig.device.enable().unwrap();
    let (again, _) = rig.plain();
    run(&again);
    run(&queue);
    assert_eq!(records.done(), []);
    assert!(records.bytes().iter().all(|byte| *byte == 0));
}

#[test]
fn a_queue_is_disabled_when_what_it_has_is_done() {
    let rig = Rig::new(2);
    let (queue, records) = rig.plain();
    (0..6).for_each(|index| queue.store(&noop(&records, index)));
    rig.device.disable_queue(0, false).unwrap();
    assert_eq!(records.done().len(), 6);
    queue.store(&noop(&records, 6));
    assert!(!queue.is_alive() && !queue.help());
    assert_eq!(records.done().len(), 6);
    assert!(rig.device.disable_queue(0, false).is_err());
}

#[test]
fn a_dropped_device_forgets_a_held_one_goes_on() {
    for (death, tells, later) in [(Death::Dropped, true, 0), (Death::Silent, false, 4), (Death::Held, true, 4)] {
        let rig = Rig::new(2);
        let (queue, records) = rig.plain();
        let (retry, _) = rig.queue(1, shared(4, 4));
        rig.tune("other_ns", 100);
        (0..4).for_each(|index| queue.store(&noop(&records, index)));
        run(&queue);
        rig.device.kill(death);
        assert_eq!(queue.is_alive(), !tells);
        queue.store(&noop(&records, 5));
        assert!(!retry.enqueue(&noop(&records, 6)));
        (0..3).for_each(|_| rig.advance(&queue, 100));
        assert_eq!(records.done(), []);
        rig.device.revive();
        assert!(queue.is_alive());
        (0..3).for_each(|_| rig.advance(&queue, 100));
        assert_eq!(records.done().len(), later);
        queue.store(&noop(&records, 9));
        rig.advance(&queue, 0);
        rig.advance(&queue, 100);
        assert_eq!(records.status(9), SUCCESS);
        let counted = &rig.device.statistics().queues[0];
        assert_eq!((counted.lost, counted.aborted), (1, 4 - later as u64));
    }
}

#[test]
fn a_dead_device_is_disabled_at_once() {
    for death in [Death::Dropped, Death::Silent, Death::Held] {
        let rig = Rig::new(2);
        let (queue, records) = rig.plain();
        rig.tune("other_ns", 100);
        (0..4).for_each(|index| queue.store(&noop(&records, index)));
        run(&queue);
        rig.device.kill(death);
        rig.device.disable();
        rig.clock.spend(1_000);
        run(&queue);
        assert_eq!(records.done(), []);
    }
}
