//! Records, interrupts and the error register: how somebody learns how it went.

use super::*;
use crate::idxd::model::SoftwareError;

fn poll(queue: &Arc<dyn Queue>) -> Option<u64> {
    let mut count = 0u64;
    // SAFETY: eight writable bytes of ours.
    let read = unsafe { libc::read(queue.interrupt().unwrap(), (&raw mut count).cast(), 8) };
    (read == 8).then_some(count)
}

#[test]
fn no_record_without_an_address_or_a_request() {
    let rig = Rig::new(1);
    let (queue, records) = rig.plain();
    for flags in [0, flag::CRAV] {
        queue.store(&Descriptor { flags_opcode: flags, ..noop(&records, 0) });
    }
    run(&queue);
    assert_eq!(records.done(), []);
    assert_eq!(rig.device.statistics().queues[0].completed, 2);
    assert_eq!(rig.device.take_error(), None);
}

#[test]
fn an_error_is_told_in_a_record_though_none_was_requested() {
    let rig = Rig::new(1);
    let (queue, records) = rig.plain();
    let bad = told(&records, 0, Descriptor::new(0x99, 0));
    queue.store(&Descriptor { flags_opcode: bad.flags_opcode & !flag::RCR, ..bad });
    run(&queue);
    assert_eq!(records.status(0), status::BAD_OPCODE);
}

#[test]
fn what_no_record_can_tell_is_in_the_error_register() {
    let rig = Rig::new(1);
    let (queue, mut records) = rig.plain();
    let error = |code, address| Some(SoftwareError { code, queue_id: 0, opcode: 0, address, has_overflowed: false });
    let misplaced = records.addr() + 8;
    queue.store(&Descriptor { completion_addr: misplaced, ..noop(&records, 0) });
    run(&queue);
    assert_eq!(rig.device.take_error(), error(status::COMPLETION_ALIGNMENT, misplaced));

    let stale = noop(&records, 1);
    records.unmap();
    queue.store(&stale);
    run(&queue);
    assert_eq!(rig.device.take_error(), error(status::COMPLETION_TRANSLATION, stale.completion_addr));

    queue.store(&Descriptor { flags_opcode: flag::RCR, ..Descriptor::default() });
    queue.store(&Descriptor::new(0x99, 0));
    run(&queue);
    let first = rig.device.take_error().unwrap();
    assert_eq!((first.code, first.has_overflowed), (status::INVALID_FLAGS, true));
    assert_eq!(rig.device.take_error(), None);
    assert!(records.bytes().iter().all(|byte| *byte == 0));
}

#[test]
fn an_interrupt_rings_after_the_record() {
    let rig = Rig::new(1);
    let (queue, records) = rig.plain();
    queue.store(&noop(&records, 0));
    run(&queue);
    assert_eq!(poll(&queue), None);
    queue.store(&flagged(noop(&records, 1), flag::RCI));
    queue.store(&flagged(Descriptor::new(opcode::NOOP, 0), flag::RCI));
    run(&queue);
    assert_eq!((records.status(1), poll(&queue)), (SUCCESS, Some(2)));
    queue.store(&Descriptor { int_handle: 7, ..flagged(noop(&records, 2), flag::RCI) });
    run(&queue);
    assert_eq!((records.status(2), poll(&queue)), (status::BAD_INTERRUPT_HANDLE, Some(1)));
}

#[test]
fn a_page_that_is_not_there_fails_or_is_waited_for() {
    let rig = Rig::new(1);
    let config = QueueConfig { block_on_fault: true, ..QueueConfig::default() };
    let (queue, records) = rig.queue(0, config);
    let (from, to) = (Memory::new(&queue, 64, false), Memory::new(&queue, 64, true));
    from.fill(7);
    let copy = copying(&from, &to, 64);
    let iommu = rig.device.iommu();

    iommu.set_present(to.addr(), false);
    queue.store(&told(&records, 0, copy));
    run(&queue);
    let record = records.record(0);
    assert_eq!((record.status, record.fault_addr), (status::PAGE_FAULT | status::WRITE, to.addr()));

    iommu.set_present(from.addr(), false);
    rig.tune("fault_ns", 500);
    queue.store(&flagged(told(&records, 1, copy), flag::BLOCK_ON_FAULT));
    rig.advance(&queue, 0);
    rig.advance(&queue, 999);
    assert_eq!(records.status(1), 0);
    rig.advance(&queue, 1);
    assert_eq!((records.status(1), to.bytes()), (SUCCESS, vec![7; 64]));

    iommu.set_present(from.addr(), false);
    rig.tune("fault_timeout_ns", 400);
    queue.store(&flagged(told(&records, 2, copy), flag::BLOCK_ON_FAULT));
    rig.advance(&queue, 0);
    rig.advance(&queue, 400);
    assert_eq!(records.record(2).status, status::PAGE_REQUEST_TIMEOUT);
    assert_eq!(records.record(2).fault_addr, from.addr());
}

#[test]
fn a_queue_that_must_not_wait_for_pages_does_not() {
    let rig = Rig::new(1);
    let (queue, records) = rig.plain();
    let (from, to) = (Memory::new(&queue, 64, false), Memory::new(&queue, 64, true));
    rig.device.iommu().set_present(from.addr(), false);
    queue.store(&flagged(told(&records, 0, copying(&from, &to, 64)), flag::BLOCK_ON_FAULT));
    run(&queue);
    assert_ne!(records.status(0), SUCCESS);
}
