#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
//! Numbers under the kernel's names, that never lose what was counted.

use super::*;
use Direction::{Compress, Decompress};

fn total(statistics: &Statistics, name: &str) -> u64 {
    statistics.totals().iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn the_text_is_that_of_the_kernel() {
    let statistics = Statistics::default();
    let first = statistics.add_queue(1, "iaa_crypto");
    let second = statistics.add_queue(3, "other");
    first.count_submit(Compress);
    first.count_bytes(Compress, 38);
    second.count_submit(Decompress);
    second.count_bytes(Decompress, 38);
    second.count_submit(Decompress);
    statistics.count_software(Decompress);
    statistics.count_einval();
    assert_eq!(
        statistics.global_stats(),
        "global stats:\n  total_comp_calls: 1\n  total_decomp_calls: 2\n  total_sw_comp_calls: 0\n  \
         total_sw_decomp_calls: 1\n  total_comp_bytes_out: 38\n  total_decomp_bytes_in: 38\n  \
         total_completion_einval_errors: 1\n  total_completion_timeout_errors: 0\n  \
         total_completion_comp_buf_overflow_errors: 0\n\n"
    );
    assert_eq!(
        statistics.wq_stats(),
        "iaa device:\n  id: 1\n  n_wqs: 1\n  comp_calls: 1\n  comp_bytes: 38\n  decomp_calls: 0\n  decomp_bytes: 0\n  \
         wqs:\n    name: iaa_crypto\n    comp_calls: 1\n    comp_bytes: 38\n    decomp_calls: 0\n    decomp_bytes: 0\n\n\
         iaa device:\n  id: 3\n  n_wqs: 1\n  comp_calls: 0\n  comp_bytes: 0\n  decomp_calls: 2\n  decomp_bytes: 38\n  \
         wqs:\n    name: other\n    comp_calls: 0\n    comp_bytes: 0\n    decomp_calls: 2\n    decomp_bytes: 38\n\n"
    );
}

#[test]
fn what_a_queue_counted_outlives_it() {
    let statistics = Statistics::default();
    let (kept, leaving) = (statistics.add_queue(1, "a"), statistics.add_queue(1, "b"));
    kept.count_submit(Compress);
    leaving.count_submit(Compress);
    statistics.remove_queue(&leaving);
    leaving.count_bytes(Compress, 100); // of a request that was under way
    let devices = statistics.devices();
    assert_eq!(devices[0].queues.len(), 1);
    assert_eq!((devices[0].sums.comp_calls, devices[0].sums.comp_bytes), (2, 100), "the device still counts it");
    statistics.remove_queue(&kept);
    assert!(statistics.devices().is_empty());
    leaving.count_bytes(Compress, 11);
    drop((kept, leaving));
    assert_eq!(total(&statistics, "total_comp_calls"), 2);
    assert_eq!(total(&statistics, "total_comp_bytes_out"), 111);
    let again = statistics.add_queue(1, "a");
    assert_eq!(statistics.devices()[0].sums, Sums::default(), "a device that comes back begins anew");
    again.count_submit(Compress);
    assert_eq!(total(&statistics, "total_comp_calls"), 3);
    assert_eq!(lock(&statistics.registry).gone.leaving.len(), 0, "what has ended is added up and let go");
}

#[test]
fn removing_a_queue_twice_counts_it_once() {
    let statistics = Statistics::default();
    let queue = statistics.add_queue(1, "a");
    queue.count_submit(Decompress);
    statistics.remove_queue(&queue);
    statistics.remove_queue(&queue);
    assert_eq!(total(&statistics, "total_decomp_calls"), 1);
}

#[test]
fn reset_zeroes_totals_devices_and_queues() {
    let statistics = Statistics::default();
    let (queue, leaving) = (statistics.add_queue(1, "a"), statistics.add_queue(5, "b"));
    for counters in [&queue, &leaving] {
        counters.count_submit(Compress);
        counters.count_bytes(Decompress, 7);
    }
    statistics.remove_queue(&leaving);
    for direction in [Compress, Decompress] {
        statistics.count_software(direction);
    }
    statistics.count_einval();
    statistics.count_timeout();
    statistics.count_comp_buf_overflow();
    assert!(
        statistics
            .totals()
            .iter()
            .all(|(name, value)| *value > 0 || matches!(*name, "total_decomp_calls" | "total_comp_bytes_out"))
    );
    statistics.reset();
    assert!(statistics.totals().iter().all(|(_, value)| *value == 0));
    assert_eq!(statistics.devices()[0].queues[0].sums, Sums::default());
    queue.count_submit(Compress);
    assert_eq!(total(&statistics, "total_comp_calls"), 1);
}

#[test]
fn nothing_is_lost_while_queues_come_and_go() {
    let statistics = Statistics::default();
    std::thread::scope(|scope| {
        for device in 0..4 {
            let statistics = &statistics;
            scope.spawn(move || {
                for round in 0..500 {
                    let queue = statistics.add_queue(device % 2, "q");
                    let late = queue.clone();
                    queue.count_submit(Compress);
                    statistics.remove_queue(&queue);
                    if round % 3 == 0 {
                        statistics.totals();
                    }
                    late.count_bytes(Compress, 2);
                }
            });
        }
    });
    assert_eq!(total(&statistics, "total_comp_calls"), 2000);
    assert_eq!(total(&statistics, "total_comp_bytes_out"), 4000);
}
