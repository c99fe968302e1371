use super::probe::{Probe, probe};
use super::*;

fn ids(queue: &Queue<Probe>) -> Vec<usize> {
    queue.take_now(usize::MAX).iter().map(|p| p.id).collect()
}

#[test]
fn larger_priority_first_then_in_order_of_arrival() {
    let queue = Queue::<Probe>::new(Budget { operations: 10, bytes: 100 }, None);
    for (id, priority) in [(0, 0), (1, 7), (2, 0), (3, 7), (4, -1)] {
        assert!(queue.push(probe(id, priority, 1), 0).is_ok());
    }
    assert_eq!(ids(&queue), [1, 3, 0, 2, 4]);
    assert_eq!(queue.load().priorities, 3);
}

#[test]
fn a_spent_budget_bounces_or_waits_until_released() {
    let queue = Queue::<Probe>::new(Budget { operations: 2, bytes: 100 }, None);
    assert!(queue.try_push(probe(0, 0, 60), 0).is_ok());
    assert!(matches!(queue.try_push(probe(1, 0, 60), 0), Err(Refused::Full(_))));
    assert!(queue.push(probe(2, 0, 60), 0).is_ok());
    assert!(queue.push(probe(3, 0, 10), 0).is_ok());
    assert_eq!(queue.load().waiting, 2);
    assert_eq!(ids(&queue), [0]);
    queue.release(1, 60);
    assert_eq!(queue.load().bytes, 70);
    assert_eq!(ids(&queue), [2, 3]);
    assert!(queue.load().peak_bytes <= 100);
}

#[test]
fn an_item_beyond_the_byte_budget_goes_alone() {
    let queue = Queue::<Probe>::new(Budget { operations: 8, bytes: 100 }, None);
    assert!(queue.try_push(probe(0, 0, 1000), 0).is_ok());
    assert!(queue.try_push(probe(1, 0, 1), 0).is_err());
}

#[test]
fn priorities_drawn_from_a_counter_leave_nothing_behind() {
    let queue = Queue::<Probe>::new(Budget { operations: 10, bytes: 100 }, None);
    for priority in 0..10_000 {
        assert!(queue.push(probe(0, priority, 0), 0).is_ok());
        assert_eq!(queue.take_now(1).len(), 1);
        queue.release(1, 0);
    }
    assert!(queue.load().priorities <= levels::KEPT_LEVELS);
}

#[test]
fn cancelled_items_give_way_when_room_is_needed() {
    let queue = Queue::<Probe>::new(Budget { operations: 1, bytes: 100 }, None);
    assert!(queue.push(Probe { is_cancelled: true, ..probe(0, 0, 1) }, 0).is_ok());
    assert!(queue.try_push(probe(1, 0, 1), 0).is_err());
    assert!(queue.try_push(probe(1, 0, 1), 1).is_ok());
    assert_eq!(ids(&queue), [1]);
}

#[test]
fn closing_hands_back_everything_and_refuses_more() {
    let queue = Queue::<Probe>::new(Budget { operations: 1, bytes: 100 }, None);
    assert!(queue.push(probe(0, 0, 1), 0).is_ok());
    assert!(queue.push(probe(1, 0, 1), 0).is_ok());
    assert_eq!(queue.close().len(), 2);
    assert!(matches!(queue.push(probe(2, 0, 1), 0), Err(Refused::Closed(_))));
    assert!(queue.take(1..=4, 1, || false).is_empty());
}

#[test]
fn many_threads_lose_and_double_nothing() {
    use std::sync::Arc;
    let queue = Arc::new(Queue::<Probe>::new(Budget { operations: 16, bytes: 1 << 20 }, None));
    let seen = Arc::new(AtomicUsize::new(0));
    let takers: Vec<_> = (0..3)
        .map(|_| {
            let (queue, seen) = (Arc::clone(&queue), Arc::clone(&seen));
            std::thread::spawn(move || {
                loop {
                    let burst = queue.take(1..=4, 3, || false);
                    if burst.is_empty() {
                        break;
                    }
                    for item in burst {
                        seen.fetch_add(item.id, Ordering::SeqCst);
                        queue.release(1, item.bytes);
                    }
                }
            })
        })
        .collect();
    let pushers: Vec<_> = (0..4)
        .map(|_| {
            let queue = Arc::clone(&queue);
            std::thread::spawn(move || (1..=5000).all(|id| queue.push(probe(id, (id % 3) as i32, id % 70), 0).is_ok()))
        })
        .collect();
    assert!(pushers.into_iter().all(|p| p.join().is_ok_and(|all| all)));
    while queue.load().operations > 0 || queue.load().waiting > 0 {
        std::thread::yield_now();
    }
    queue.close();
    for taker in takers {
        assert!(taker.join().is_ok());
    }
    assert_eq!(seen.load(Ordering::SeqCst), 4 * 5000 * 5001 / 2);
}

/// Serves all, and tells whose each item was.
fn clients(queue: &Queue<Probe>, most: usize) -> Vec<u32> {
    queue.take_now(most).iter().map(|p| p.client).collect()
}

fn wide() -> Queue<Probe> {
    Queue::new(Budget { operations: usize::MAX, bytes: usize::MAX }, None)
}

fn of(client: u32, id: usize, bytes: usize) -> Probe {
    Probe { client, ..probe(id, 0, bytes) }
}

#[test]
fn weights_of_three_to_one_give_service_of_three_to_one_within_one_item() {
    let queue = wide();
    queue.set_weight(7, 3);
    (0..4000).for_each(|id| assert!(queue.push(of(7 + (id as u32 & 1), id, 1000), 0).is_ok()));
    let mut heavy = 0;
    for (taken, client) in clients(&queue, 2600).into_iter().enumerate() {
        heavy += usize::from(client == 7);
        assert!((4 * heavy).abs_diff(3 * (taken + 1)) <= 4);
    }
}

#[test]
fn shares_hold_behind_a_spent_budget_too() {
    let queue = Queue::<Probe>::new(Budget { operations: 1, bytes: 1 << 20 }, None);
    queue.set_weight(2, 3);
    (0..2000).for_each(|id| assert!(queue.push(of(1 + id as u32 / 1000, id, 0), 0).is_ok()));
    let mut heavy = 0;
    for taken in 1..=1200 {
        heavy += usize::from(clients(&queue, 1) == [2]);
        assert!((4 * heavy).abs_diff(3 * taken) <= 8); // one item more: the first was let in before there were others
        queue.release(1, 0);
    }
}

#[test]
fn clients_with_large_items_get_no_more_bytes_than_those_with_small_ones() {
    let queue = wide();
    (0..200).for_each(|id| assert!(queue.push(of(1, id, 61440), 0).is_ok()));
    (0..2000).for_each(|id| assert!(queue.push(of(2, id, 4096), 0).is_ok()));
    let mut cost = [0usize; 3];
    for item in queue.take_now(1000) {
        cost[item.client as usize] += item.bytes + 4096;
        assert!(cost[1].abs_diff(cost[2]) <= 65536 + 8192);
    }
}

#[test]
fn absence_earns_no_credit() {
    let queue = wide();
    (0..600).for_each(|id| assert!(queue.push(of(1 + (id as u32 & 1), id, 0), 0).is_ok()));
    assert_eq!(clients(&queue, 200).len(), 200);
    (0..300).for_each(|id| assert!(queue.push(of(3, id, 0), 0).is_ok()));
    let mut count = [0usize; 4];
    for client in clients(&queue, 300) {
        count[client as usize] += 1;
        assert!(count[1].abs_diff(count[3]) <= 1 && count[2].abs_diff(count[3]) <= 1);
    }
}

#[test]
fn queueing_one_at_a_time_does_not_jump_the_line() {
    let queue = wide();
    (0..200).for_each(|id| assert!(queue.push(of(1, id, 0), 0).is_ok()));
    assert!(queue.push(of(2, 0, 0), 0).is_ok());
    let mut count = [0usize; 3];
    for _ in 0..200 {
        let client = clients(&queue, 1)[0];
        count[client as usize] += 1;
        assert!(count[1].abs_diff(count[2]) <= 1);
        if client == 2 {
            assert!(queue.push(of(2, 0, 0), 0).is_ok());
        }
    }
}

#[test]
fn clients_that_keep_coming_starve_nobody() {
    let queue = wide();
    (0..100).for_each(|id| assert!(queue.push(of(0, id, 0), 0).is_ok()));
    (1..5).for_each(|client| assert!(queue.push(of(client, 0, 0), 0).is_ok()));
    let mut served = 0;
    for turn in 1..=400 {
        match clients(&queue, 1)[0] {
            0 => served += 1,
            _ => assert!(queue.push(of(turn + 4, 0, 0), 0).is_ok()),
        }
    }
    assert!((75..=85).contains(&served));
}

#[test]
fn each_client_is_served_in_order_of_arrival() {
    let queue = wide();
    queue.set_weight(2, 5);
    (0..900).for_each(|id| assert!(queue.push(of(id as u32 % 3, id, id * 37 % 1000), 0).is_ok()));
    let mut last = [0usize; 3];
    for item in queue.take_now(usize::MAX) {
        let last = &mut last[item.client as usize];
        assert!(item.id == 0 || *last <= item.id);
        *last = item.id;
    }
}

#[test]
fn clients_without_number_leave_nothing_behind() {
    let mut level = level::Level::new(0);
    let weights = shared::Weights::default();
    (0..2).for_each(|client| level.push_back(of(client, 0, 0), &weights));
    for client in 2..100_000 {
        level.push_back(of(client, 0, 0), &weights);
        assert!(level.pop(&weights).is_some());
        assert!(level.num_clients() <= 5);
    }
    while level.pop(&weights).is_some() {}
    assert_eq!((level.num_clients(), level.capacity()), (0, 0));
}

#[test]
fn a_level_keeps_little_room_when_it_has_emptied() {
    let mut level = level::Level::new(0);
    let weights = shared::Weights::default();
    (0..100_000).for_each(|id| level.push_back(of(1, id, 0), &weights));
    assert!(level.capacity() <= 115_000);
    while level.pop(&weights).is_some() {}
    assert!(level.capacity() <= 1024);
}

#[test]
fn an_aged_priority_runs_at_the_very_moment_it_has_caught_up() {
    let (start, span) = (Instant::now(), Duration::from_secs(1));
    for (waited, first) in [(2 * span - Duration::from_nanos(1), 2), (2 * span, 0)] {
        let now = start + waited;
        let mut levels = levels::Levels::new();
        let rules = Rules::new(Some(span));
        levels.push_back(Probe { queued_at: start, ..probe(0, 0, 0) }, &rules);
        levels.push_back(Probe { queued_at: now, ..probe(1, 2, 0) }, &rules);
        levels.push_back(Probe { queued_at: now, ..probe(2, -3, 0) }, &rules);
        let item = levels.pop(&rules, &mut Clock(Some(now)));
        assert_eq!(item.map(|p| p.priority), Some(first));
    }
}

#[test]
fn without_aging_the_larger_priority_always_wins() {
    let queue = wide();
    let old = Instant::now() - Duration::from_secs(1000);
    assert!(queue.push(Probe { queued_at: old, ..probe(0, 0, 0) }, 0).is_ok());
    assert!(queue.push(probe(1, 1, 0), 0).is_ok());
    assert_eq!(ids(&queue), [1, 0]);
}

#[test]
fn what_is_movable_leaves_in_order_and_the_bound_is_let_in() {
    let queue = Queue::<Probe>::new(Budget { operations: 3, bytes: 1000 }, None);
    for (id, priority, is_movable) in
        [(0, 0, true), (1, 5, false), (2, 5, true), (3, 0, false), (4, 9, true), (5, 0, true), (6, 9, false)]
    {
        assert!(queue.push(Probe { is_movable, ..probe(id, priority, 100) }, 0).is_ok());
    }
    let moved = queue.take_movable();
    assert_eq!(moved.iter().map(|p| p.id).collect::<Vec<_>>(), [2, 0, 4, 5]);
    assert!(moved.iter().all(|p| !p.is_budgeted));
    let load = queue.load();
    assert_eq!((load.queued, load.waiting, load.operations, load.bytes), (3, 0, 3, 300));
    assert_eq!(ids(&queue), [6, 1, 3]);
}

#[test]
fn an_item_is_let_in_only_beside_fewer_operations_than_it_says() {
    let queue = Queue::<Probe>::new(Budget { operations: 9, bytes: 1000 }, None);
    let shy = |id, most_operations| Probe { most_operations, ..probe(id, 0, 1) };
    assert!(queue.has_room(1, 0) && queue.try_push(shy(0, 0), 0).is_ok());
    assert!(!queue.has_room(1, 1) && queue.try_push(shy(1, 1), 0).is_err());
    assert!(queue.has_room(1, 2) && queue.try_push(shy(2, 2), 0).is_ok());
    assert!(queue.push(shy(3, 1), 0).is_ok());
    assert!(!queue.has_room(1, 9) && queue.try_push(probe(4, 0, 1), 0).is_err());
    assert_eq!(ids(&queue), [0, 2]);
    queue.release(1, 1);
    assert_eq!((queue.load().waiting, queue.len()), (1, 2));
    queue.release(1, 1);
    assert_eq!((ids(&queue), queue.len()), (vec![3], 1));
    queue.close();
    assert!(!queue.has_room(0, 9));
}

#[test]
fn everything_queued_and_waiting_is_shown() {
    let queue = Queue::<Probe>::new(Budget { operations: 2, bytes: 1000 }, None);
    (0..4).for_each(|id| assert!(queue.push(of(id as u32, id, 1), 0).is_ok()));
    let mut seen = Vec::new();
    queue.for_each(|item, is_waiting| seen.push((item.id, is_waiting)));
    assert_eq!(seen, [(0, false), (1, false), (2, true), (3, true)]);
}

/// Not a law: prints what one thread pays. `cargo test --release -p acrypto-core cost_of_a -- --ignored --nocapture`
#[test]
#[ignore = "measures"]
fn cost_of_a_push_and_a_take() {
    let one = probe(0, 0, 0);
    let fill = |items: usize, item: &dyn Fn(usize) -> Probe| {
        let budget = Budget { operations: usize::MAX, bytes: usize::MAX };
        let queue = Queue::<Probe>::new(budget, Some(Duration::from_secs(1)));
        (0..items).for_each(|id| assert!(queue.push(item(id), 0).is_ok()));
        queue
    };
    let measure = |what: &str, queued: usize, item: &dyn Fn(usize) -> Probe| {
        let queue = fill(queued, item);
        let turns = 1_000_000;
        let started = Instant::now();
        for id in 0..turns {
            assert!(queue.push(item(id), 0).is_ok());
            assert_eq!(queue.take(1..=1, 1, || false).len(), 1);
        }
        let ns = started.elapsed().as_nanos() as f64 / f64::from(turns as u32);
        println!("{what}: {ns:.0} ns ({} bytes per item)", size_of::<Probe>());
    };
    measure("one client, empty", 0, &|_| one);
    measure("one client, 1000 queued", 1000, &|_| one);
    measure("four clients, 1000 queued", 1000, &|id| Probe { client: id as u32 % 4, ..one });
    measure("1000 clients, 1000 queued", 1000, &|id| Probe { client: id as u32 % 1000, ..one });
    measure("four priorities, 1000 queued", 1000, &|id| Probe { priority: id as i32 % 4, ..one });
    measure("a million priorities", 1_000_000, &|id| Probe { priority: id as i32, ..one });
}
