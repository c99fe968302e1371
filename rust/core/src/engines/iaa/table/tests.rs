#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
//! The worked examples of the driver's documentation, and what holds while tables change.

use super::*;
use std::sync::atomic::AtomicBool;

const SPREAD: Mapping = Mapping::Packages { comp_wqs_per_iaa: 0, distribute_comps: true, distribute_decomps: true };

fn devices_of(plan: &Plan, cpus: usize, compress: bool) -> Vec<usize> {
    (0..cpus).map(|cpu| plan.queues(cpu, compress)[0].0).collect()
}

fn by_nodes(nodes: usize, cpus: usize, devices: usize) -> Plan {
    Plan::new(&Topology::even(nodes, cpus), &vec![1; devices], Mapping::Nodes)
}

#[test]
fn three_devices_and_eight_cpus_leave_a_rest_to_the_first() {
    let plan = by_nodes(1, 8, 3);
    assert_eq!(plan.cpus_per_iaa, 2);
    assert_eq!(devices_of(&plan, 8, true), [0, 0, 1, 1, 2, 2, 0, 0]);
    assert_eq!(plan.fell_back, [6, 7]);
}

#[test]
fn the_count_of_devices_goes_on_from_node_to_node() {
    let plan = by_nodes(2, 8, 2);
    assert_eq!(plan.cpus_per_iaa, 4);
    assert_eq!(devices_of(&plan, 8, true), [0, 0, 0, 0, 1, 1, 1, 1]);
    assert!(plan.fell_back.is_empty());
}

#[test]
fn more_devices_than_cpus_leave_some_unused() {
    let plan = by_nodes(1, 4, 8);
    assert_eq!(plan.cpus_per_iaa, 1);
    assert_eq!(devices_of(&plan, 4, false), [0, 1, 2, 3]);
}

#[test]
fn eight_devices_in_a_server_of_160_cpus_have_20_each() {
    let plan = by_nodes(2, 160, 8);
    assert_eq!(plan.cpus_per_iaa, 20);
    assert_eq!(devices_of(&plan, 160, true), (0..160).map(|cpu| cpu / 20).collect::<Vec<_>>());
    // As the kernel numbers such a server, threads of a core are far from each other.
    let plan = Plan::new(&Topology::server(2, 40, 2), &[1; 8], Mapping::Nodes);
    assert_eq!(plan.cpus_per_iaa, 20);
    for (cpu, device) in [(0, 0), (19, 0), (20, 1), (39, 1), (80, 2), (119, 3), (40, 4), (159, 7)] {
        assert_eq!(plan.queues(cpu, true), [(device, 0)], "CPU {cpu}");
    }
}

#[test]
fn one_device_serves_everybody_with_all_its_queues() {
    let plan = Plan::new(&Topology::even(2, 8), &[3], Mapping::Nodes);
    assert!((0..8).all(|cpu| plan.queues(cpu, true) == [(0, 0), (0, 1), (0, 2)]));
    assert!(plan.fell_back.is_empty());
}

#[test]
fn no_devices_are_no_tables() {
    for mapping in [Mapping::Nodes, SPREAD] {
        assert_eq!(Plan::new(&Topology::even(1, 4), &[], mapping).queues(0, true), []);
    }
}

#[test]
fn requests_of_a_cpu_go_round() {
    let tables = Tables::new(Topology::even(1, 2));
    assert_eq!(tables.next_on(0, Direction::Compress), None);
    tables.rebalance(&[vec![10, 11, 12]], Mapping::Nodes);
    let taken: Vec<_> = (0..7).filter_map(|_| tables.next_on(0, Direction::Compress)).collect();
    // The cursor moves before it is read, so that the second queue is the first to be used.
    assert_eq!(taken, [11, 12, 10, 11, 12, 10, 11]);
    assert_eq!(tables.next_on(1, Direction::Compress), Some(11), "each CPU counts for itself");
    assert_eq!(tables.next_on(0, Direction::Decompress), Some(11), "each direction counts for itself");
    tables.rebalance(&[], Mapping::Nodes);
    assert_eq!(tables.next(Direction::Compress), None);
}

#[test]
fn a_server_of_two_packages_spreads_as_its_documentation_says() {
    // 2 packages of 56 cores with 2 threads, 4 devices in each, each with 2 queues of which the last compresses.
    let topology = Topology::server(2, 56, 2);
    let mapping = Mapping::Packages { comp_wqs_per_iaa: 1, distribute_comps: true, distribute_decomps: false };
    let plan = Plan::new(&topology, &[2; 8], mapping);
    assert_eq!(plan.cpus_per_iaa, 14, "cores; with both threads 28 CPUs");
    for package in 0..2 {
        let joint: Vec<Place> = (0..4).map(|device| (4 * package + device, 1)).collect();
        for core in 0..56 {
            for cpu in [56 * package + core, 56 * package + core + 112] {
                assert_eq!(plan.queues(cpu, true), joint, "CPU {cpu} compresses");
                assert_eq!(plan.queues(cpu, false), [(4 * package + core / 14, 0)], "CPU {cpu} decompresses");
            }
        }
    }
    // Cores begin at the device that is theirs.
    let names: Vec<Vec<String>> =
        (0..8).map(|device| (0..2).map(|queue| format!("wq{}.{queue}", 2 * device + 1)).collect()).collect();
    let tables = Tables::new(topology);
    tables.rebalance(&names, mapping);
    for (cpu, compress, decompress) in [(0, "wq1.1", "wq1.0"), (14, "wq3.1", "wq3.0"), (125, "wq1.1", "wq1.0")] {
        assert_eq!(tables.next_on(cpu, Direction::Compress).unwrap(), compress);
        assert_eq!(tables.next_on(cpu, Direction::Decompress).unwrap(), decompress);
    }
    let round: Vec<String> = (0..5).filter_map(|_| tables.next_on(98, Direction::Compress)).collect();
    assert_eq!(round, ["wq15.1", "wq9.1", "wq11.1", "wq13.1", "wq15.1"]);
}

#[test]
fn the_last_queues_of_a_device_compress_and_the_others_decompress() {
    let split = |queues: usize, only: usize| {
        let mapping = Mapping::Packages { comp_wqs_per_iaa: only, distribute_comps: false, distribute_decomps: false };
        let plan = Plan::new(&Topology::even(1, 1), &[queues], mapping);
        let of = |compress| plan.queues(0, compress).iter().map(|place| place.1).collect::<Vec<_>>();
        (of(false), of(true))
    };
    assert_eq!(split(4, 1), (vec![0, 1, 2], vec![3]));
    assert_eq!(split(4, 3), (vec![0], vec![1, 2, 3]));
    assert_eq!(split(3, 0), (vec![0, 1, 2], vec![0, 1, 2]), "none wanted: all do both");
    assert_eq!(split(1, 1), (vec![0], vec![0]), "one queue always does both");
    assert_eq!(split(2, 3), (vec![0, 1], vec![0, 1]), "fewer than wanted: all do both");
    assert_eq!(split(2, 2), (vec![0, 1], vec![0, 1]), "as many as wanted leaves none to decompress: all do both");
}

#[test]
fn every_cpu_has_queues_whatever_the_machine() {
    for (packages, cores, threads) in [(1, 1, 1), (1, 4, 2), (2, 3, 2), (4, 7, 1), (8, 2, 2)] {
        let topology = Topology::server(packages, cores, threads);
        for devices in 1..12 {
            for only in 0..3 {
                for (distribute_comps, distribute_decomps) in
                    [(false, false), (false, true), (true, false), (true, true)]
                {
                    let mapping = Mapping::Packages { comp_wqs_per_iaa: only, distribute_comps, distribute_decomps };
                    for mapping in [mapping, Mapping::Nodes] {
                        let plan = Plan::new(&topology, &vec![2; devices], mapping);
                        for cpu in 0..packages * cores * threads {
                            for compress in [false, true] {
                                let queues = plan.queues(cpu, compress);
                                assert!(!queues.is_empty(), "{packages} {cores} {devices} {mapping:?} CPU {cpu}");
                                assert!(queues.iter().all(|(device, queue)| *device < devices && *queue < 2));
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn packages_without_devices_use_those_of_others_and_say_so() {
    let plan = Plan::new(&Topology::server(4, 2, 1), &[1, 1], SPREAD);
    assert_eq!(plan.fell_back, [4, 5, 6, 7]);
    assert_eq!(devices_of(&plan, 8, true), [0, 0, 1, 1, 1, 1, 1, 1]);
    assert!(Plan::new(&Topology::server(4, 2, 1), &[1], SPREAD).fell_back.is_empty(), "one device is everybody's");
}

#[test]
fn a_cpu_that_came_later_is_served() {
    let tables = Tables::new(Topology::even(1, 2));
    tables.rebalance(&[vec![7]], Mapping::Nodes);
    assert_eq!(tables.next_on(5000, Direction::Compress), Some(7));
}

#[test]
fn readers_see_the_old_or_the_new_tables_and_never_a_mixture() {
    // The generation in force lies between what is announced before a change and what is confirmed after it; a queue of
    // an older one after a newer one has been seen anywhere would be a mixture.
    let tables = Tables::new(Topology::even(1, 8));
    let newest = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    tables.rebalance(&[vec![0; 2], vec![0; 3]], Mapping::Nodes);
    std::thread::scope(|scope| {
        for reader in 0..3usize {
            let (tables, newest, stop) = (&tables, &newest, &stop);
            scope.spawn(move || {
                let mut cpu = reader;
                while !stop.load(Ordering::Acquire) {
                    let least = newest.load(Ordering::SeqCst);
                    let seen = tables.next_on(cpu, Direction::Compress).unwrap();
                    assert!(seen >= least, "generation {seen} on CPU {cpu} after {least}");
                    newest.fetch_max(seen, Ordering::SeqCst);
                    cpu = (cpu + 3) % 8;
                }
            });
        }
        for generation in 1..2000 {
            tables.rebalance(&[vec![generation; 2], vec![generation; generation % 3 + 1]], Mapping::Nodes);
        }
        stop.store(true, Ordering::Release);
    });
}

#[test]
fn the_tables_hold_no_queue_that_has_gone() {
    let tables = Tables::new(Topology::even(2, 4));
    let queue = Arc::new(1);
    tables.rebalance(&[vec![queue.clone(), Arc::new(2)]], Mapping::Nodes);
    assert!(Arc::strong_count(&queue) > 1);
    tables.rebalance(&[vec![Arc::new(2)]], Mapping::Nodes);
    assert_eq!(Arc::strong_count(&queue), 1);
}
