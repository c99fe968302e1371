//! What is done when: latency, rate, engines, priorities, fences.

use super::*;

#[test]
fn an_engine_completes_after_its_latency_and_not_before() {
    let rig = Rig::new(1);
    let (queue, records) = rig.plain();
    rig.tune("other_ns", 2_000);
    queue.store(&noop(&records, 0));
    rig.advance(&queue, 1_999);
    assert_eq!(records.done(), []);
    rig.advance(&queue, 1);
    assert_eq!(records.done(), [0]);
}

#[test]
fn so_many_engines_do_so_many_at_once() {
    let rig = Rig::new(2);
    let (queue, records) = rig.plain();
    rig.tune("other_ns", 100);
    (0..5).for_each(|index| queue.store(&noop(&records, index)));
    rig.advance(&queue, 0);
    for done in [2, 4, 5] {
        rig.advance(&queue, 100);
        assert_eq!(records.done().len(), done);
    }
}

#[test]
fn time_is_kept_though_nobody_looked() {
    let rig = Rig::new(2);
    let (queue, records) = rig.plain();
    rig.tune("other_ns", 100);
    (0..6).for_each(|index| queue.store(&noop(&records, index)));
    rig.advance(&queue, 299); // three rounds of two: the last is due at 300
    assert_eq!(records.done().len(), 4);
    rig.advance(&queue, 1);
    assert_eq!(records.done().len(), 6);
    let busy: u64 = rig.device.statistics().engines.iter().map(|engine| engine.busy_ns).sum();
    assert_eq!(busy, 600);
}

#[test]
fn bytes_take_their_time_at_the_configured_rate() {
    let rig = Rig::new(1);
    let (queue, records) = rig.plain();
    let (from, to) = (Memory::new(&queue, 4096, false), Memory::new(&queue, 4096, true));
    rig.tune("other_ns", 100);
    rig.tune("bytes_per_second", 1_000_000_000);
    queue.store(&told(&records, 0, copying(&from, &to, 4096)));
    rig.advance(&queue, 4_195);
    assert_eq!(records.done(), []);
    rig.advance(&queue, 1);
    assert_eq!(records.done(), [0]);
}

#[test]
fn what_takes_longer_than_the_watchdog_allows_is_given_up_then() {
    let rig = Rig::new(1);
    let (queue, records) = rig.plain();
    rig.tune("other_ns", 5_000);
    rig.tune("watchdog_ns", 3_000);
    queue.store(&noop(&records, 0));
    rig.advance(&queue, 2_999);
    assert_eq!(records.done(), []);
    rig.advance(&queue, 1);
    assert_eq!(records.status(0), status::WATCHDOG);
}

#[test]
fn one_engine_does_a_queue_in_its_order() {
    let rig = Rig::new(1);
    let (queue, records) = rig.plain();
    rig.tune("other_ns", 10);
    (0..8).for_each(|index| queue.store(&noop(&records, index)));
    rig.advance(&queue, 0);
    for done in 1..=8 {
        rig.advance(&queue, 10);
        assert_eq!(records.done(), (0..done).collect::<Vec<_>>());
    }
}

#[test]
fn priorities_15_and_5_share_service_3_to_1() {
    let rig = Rig::new(1);
    let config = |priority| QueueConfig { priority, size: 64, ..QueueConfig::default() };
    let (strong, first) = rig.queue(0, config(15));
    let (weak, second) = rig.queue(1, config(5));
    for index in 0..64 {
        strong.store(&noop(&first, index));
        weak.store(&noop(&second, index));
    }
    (0..64).for_each(|_| assert!(strong.help()));
    assert_eq!((first.done().len(), second.done().len()), (48, 16));
    run(&strong);
    assert_eq!(second.done().len(), 64, "what the strong leave is for the weak");
}

#[test]
fn groups_have_their_own_engines() {
    let rig = Rig::new(2);
    rig.device.disable();
    rig.device.assign_engine(1, Some(1)).unwrap();
    rig.device.enable().unwrap();
    let (first, one) = rig.queue(0, QueueConfig::default());
    let (second, two) = rig.queue(1, QueueConfig { group: 1, ..QueueConfig::default() });
    rig.tune("other_ns", 100);
    (0..3).for_each(|index| first.store(&noop(&one, index)));
    second.store(&noop(&two, 0));
    run(&first);
    run(&second);
    rig.clock.spend(100);
    run(&first);
    run(&second);
    assert_eq!((one.done(), two.done()), (vec![0], vec![0]));
    let refused = rig.device.enable_queue(2, QueueConfig { group: 2, ..QueueConfig::default() }).err();
    assert!(refused.unwrap().to_string().contains("no engine in group 2"));
}

#[test]
fn a_fence_waits_for_all_before_it_and_holds_up_all_behind_it() {
    let rig = Rig::new(4);
    let (queue, records) = rig.plain();
    rig.tune("other_ns", 100);
    queue.store(&noop(&records, 0));
    queue.store(&noop(&records, 1));
    queue.store(&flagged(noop(&records, 2), flag::FENCE));
    queue.store(&noop(&records, 3));
    rig.advance(&queue, 0);
    rig.advance(&queue, 100);
    assert_eq!(records.done(), [0, 1]);
    rig.advance(&queue, 99);
    assert_eq!(records.done(), [0, 1]);
    rig.advance(&queue, 1);
    assert_eq!(records.done(), [0, 1, 2, 3]);
}

#[test]
fn a_drain_completes_when_all_before_it_have() {
    let rig = Rig::new(4);
    let (queue, records) = rig.plain();
    rig.tune("compress_ns", 1);
    (0..3).for_each(|index| queue.store(&noop(&records, index)));
    queue.store(&told(&records, 3, Descriptor::new(opcode::DRAIN, 0)));
    (0..3).for_each(|_| assert!(queue.help()));
    assert_eq!(records.done(), [0, 1, 2]);
    run(&queue);
    assert_eq!(records.status(3), SUCCESS);
}
