//! Who gets an entry, and what is refused before.

use super::*;

#[test]
fn a_dedicated_queue_that_is_full_loses_silently() {
    let rig = Rig::new(1);
    let (queue, records) = rig.queue(0, QueueConfig { size: 4, ..QueueConfig::default() });
    (0..6).for_each(|index| queue.store(&noop(&records, index)));
    run(&queue);
    assert_eq!(records.done(), [0, 1, 2, 3]);
    let counted = &rig.device.statistics().queues[0];
    assert_eq!((counted.accepted, counted.lost, counted.completed), (4, 2, 4));
    assert_eq!(counted.by_status, [(SUCCESS, 4)]);
}

#[test]
fn an_entry_is_free_when_an_engine_has_taken_its_descriptor() {
    let rig = Rig::new(2);
    let (queue, records) = rig.queue(0, QueueConfig { size: 2, ..QueueConfig::default() });
    rig.tune("other_ns", 100);
    (0..2).for_each(|index| queue.store(&noop(&records, index)));
    run(&queue); // both engines are at work, both entries free
    (2..5).for_each(|index| queue.store(&noop(&records, index)));
    (0..4).for_each(|_| rig.advance(&queue, 100));
    assert_eq!(records.done(), [0, 1, 2, 3]);
}

#[test]
fn a_shared_queue_says_retry_at_its_threshold() {
    let rig = Rig::new(1);
    let (queue, records) = rig.queue(0, shared(8, 3));
    let taken: Vec<bool> = (0..5).map(|index| queue.enqueue(&noop(&records, index))).collect();
    assert_eq!(taken, [true, true, true, false, false]);
    assert!(queue.help());
    assert!(queue.enqueue(&noop(&records, 3)));
    assert_eq!(rig.device.statistics().queues[0].retried, 2);
}

#[test]
fn each_mode_takes_its_own_kind_of_store() {
    let rig = Rig::new(1);
    let (dedicated, records) = rig.plain();
    assert!(!dedicated.enqueue(&noop(&records, 0)));
    let (shared, records) = rig.queue(1, shared(8, 8));
    shared.store(&noop(&records, 0));
    assert_eq!(rig.device.statistics().queues[1].lost, 1);
}

#[test]
fn a_queue_goes_round_its_portal_for_ever() {
    let rig = Rig::new(1);
    let (queue, records) = rig.queue(0, QueueConfig { size: 7, ..QueueConfig::default() });
    for _ in 0..100 {
        (0..7).for_each(|index| queue.store(&noop(&records, index)));
        run(&queue);
        assert_eq!(records.done(), [0, 1, 2, 3, 4, 5, 6]);
        (0..7).for_each(|index| records.clear(index));
    }
}

#[test]
fn a_descriptor_of_ones_takes_its_turn_like_any_other() {
    let rig = Rig::new(1);
    let (queue, records) = rig.plain();
    queue.store(&Descriptor::from_words([u64::MAX; 8]));
    queue.store(&noop(&records, 0));
    run(&queue);
    assert_eq!(records.done(), [0]);
    assert_eq!(rig.device.take_error().map(|error| error.opcode), Some(0xff));
}

#[test]
fn what_would_break_the_device_is_refused() {
    let rig = Rig::new(1);
    let refused = |config| rig.device.enable_queue(0, config).err().unwrap().to_string();
    let plain = QueueConfig::default;
    assert!(refused(QueueConfig { size: 0, ..plain() }).contains("size is 0; it must be from 1 to 128"));
    assert!(refused(QueueConfig { size: 129, ..plain() }).contains("from 1 to 128"));
    assert!(refused(QueueConfig { group: 4, ..plain() }).contains("group is 4"));
    assert!(refused(QueueConfig { priority: 16, ..plain() }).contains("priority is 16"));
    assert!(refused(QueueConfig { threshold: 1, ..plain() }).contains("a dedicated queue has none"));
    assert!(refused(shared(8, 9)).contains("threshold is 9"));
    assert!(refused(QueueConfig { max_transfer: 1 << 40, ..plain() }).contains("max_transfer"));
    rig.plain();
    assert!(refused(plain()).contains("queue 0 enabled already"));
    assert!(rig.device.enable().is_err());
    assert!(rig.device.assign_engine(0, None).is_err());
    rig.device.disable();
    assert!(refused(plain()).contains("is not enabled"));
    assert!(Device::new(Capabilities { engines: 65, ..Capabilities::default() }).is_err());
    assert!(Device::new(Capabilities { pasid_enabled: false, threads: 0, ..Capabilities::default() }).is_ok());
}
