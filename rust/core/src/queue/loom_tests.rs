use super::probe::{Probe, probe};
use super::*;
use loom::sync::Arc;

#[test]
fn loom_no_push_is_lost_on_a_taker_going_to_sleep() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let queue = Arc::new(Queue::<Probe>::new(Budget { operations: 4, bytes: 100 }, None));
        let taker = {
            let queue = Arc::clone(&queue);
            loom::thread::spawn(move || {
                let mut sum = 0;
                while sum < 3 {
                    sum += queue.take(1..=4, 1, || false).iter().map(|p| p.id).sum::<usize>();
                }
                sum
            })
        };
        let pusher = {
            let queue = Arc::clone(&queue);
            loom::thread::spawn(move || queue.push(probe(1, 0, 1), 0).is_ok())
        };
        assert!(queue.push(probe(2, 1, 1), 0).is_ok());
        assert!(pusher.join().is_ok_and(|ok| ok));
        assert!(taker.join().is_ok_and(|sum| sum == 3));
    });
}

#[test]
fn loom_released_budget_lets_in_who_waits() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let queue = Arc::new(Queue::<Probe>::new(Budget { operations: 1, bytes: 100 }, None));
        assert!(queue.push(probe(1, 0, 1), 0).is_ok());
        let pusher = {
            let queue = Arc::clone(&queue);
            loom::thread::spawn(move || queue.push(probe(2, 0, 1), 0).is_ok())
        };
        let mut sum = 0;
        while sum < 3 {
            for item in queue.take(1..=1, 1, || false) {
                sum += item.id;
                queue.release(1, item.bytes);
            }
        }
        assert!(pusher.join().is_ok_and(|ok| ok));
    });
}
