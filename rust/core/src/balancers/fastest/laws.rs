//! What `fastest` promises, seat by seat and in the long run.

use super::simulation::{Chance, Outcome, Placer, World};
use super::{Fastest, KNOWN, MEASURED};
use crate::alg::Direction;
use crate::balancers::tests::{ask, named};
use crate::balancers::{Asked, Balancer, Seat};
use crate::cost::Rivalry;

const ALONE: usize = 1;
const TOGETHER: usize = 8;

/// Measured seats with these runs, numbered from 1.
fn measured(runs: &[u64]) -> Vec<Seat<'static>> {
    let mut seats = named(&["a", "b", "c", "d"][..runs.len()]);
    for (seat, &run) in seats.iter_mut().zip(runs) {
        (seat.run_ns, seat.samples) = (run, 100);
    }
    seats
}

/// The choices of `count` requests of one page among the same seats.
fn choices(seats: &[Seat<'_>], rivalry: &Rivalry, count: usize) -> Vec<(usize, &'static str)> {
    let asked = Asked {
        algorithm: "x",
        direction: Direction::Encrypt,
        bytes: 4096,
        priority: 0,
        client: 0,
        device_count: 4,
        rivalry,
    };
    let choose = |_| Fastest.find_device(&asked, seats).map(|choice| (choice.seat, choice.reason));
    (0..count).map(choose).map(|choice| choice.expect("there are seats")).collect()
}

fn run(world: &mut World, count: usize, in_flight: usize) -> Outcome {
    world.run(&Placer::Balancer(&Fastest), count, in_flight)
}

/// Time of `fastest` in this world in proportion to the oracle's, for the requests of this seed.
fn against_oracle(mut world: World, seed: u64, count: usize, in_flight: usize) -> f64 {
    let own = run(&mut world, count, in_flight).total_ns;
    let best = World::of_four(seed).run(&Placer::Oracle, count, in_flight).total_ns;
    own as f64 / best as f64
}

#[test]
fn of_nothing_measured_the_strongest_with_room_serves() {
    let mut seats = named(&["a", "b", "c"]);
    seats[1].run_ns = 1;
    assert_eq!(ask(&Fastest, &seats), (0, "the strongest; none is measured yet"));
    seats[0].has_room = false;
    assert_eq!(ask(&Fastest, &seats).0, 1);
}

#[test]
fn the_only_device_is_taken_as_it_is() {
    assert_eq!(ask(&Fastest, &named(&["a"])), (0, "the only device for it"));
}

#[test]
fn no_seat_at_all_is_no_choice() {
    let rivalry = Rivalry::default();
    let asked = Asked {
        algorithm: "x",
        direction: Direction::Mac,
        bytes: 1,
        priority: 0,
        client: 0,
        device_count: 4,
        rivalry: &rivalry,
    };
    assert_eq!(Fastest.find_device(&asked, &[]), None);
}

#[test]
fn the_earliest_finish_wins_not_the_shortest_run() {
    let mut seats = measured(&[1_000, 3_000]);
    assert_eq!(ask(&Fastest, &seats), (0, "predicted to finish first"));
    (seats[0].ready_ns, seats[0].operations) = (5_000, 5);
    assert_eq!(ask(&Fastest, &seats), (1, "predicted to finish first"));
}

#[test]
fn a_full_device_is_taken_only_if_all_are() {
    let mut seats = measured(&[1_000, 9_000]);
    seats[0].has_room = false;
    assert_eq!(ask(&Fastest, &seats), (1, "has room; faster ones are full"));
    seats[1].samples = 0;
    assert_eq!(ask(&Fastest, &seats), (1, "has room; measured ones are full"));
    seats[1].has_room = false;
    assert_eq!(ask(&Fastest, &seats), (0, "every device is full; predicted to finish first"));
}

#[test]
fn the_unmeasured_are_tried_in_turns_once_the_best_is_known() {
    let rivalry = Rivalry::default();
    let mut seats = measured(&[1_000, 1_000, 1_000]);
    (seats[1].samples, seats[2].samples) = (0, 0);
    seats[0].samples = KNOWN - 1;
    assert!(choices(&seats, &rivalry, 100).iter().all(|&(seat, _)| seat == 0));
    seats[0].samples = KNOWN;
    let tries = choices(&seats, &rivalry, 20).iter().filter(|&&(_, why)| why == "a trial: not measured yet").count();
    assert!((5..=10).contains(&tries), "{tries}");
    seats[1].samples = 2;
    seats[1].run_ns = 500;
    assert_eq!(choices(&seats, &rivalry, 1), [(1, "a trial: not measured yet")]);
    (seats[1].samples, seats[2].samples) = (MEASURED, MEASURED);
    assert!(choices(&seats, &rivalry, 20).iter().all(|&(_, why)| why != "a trial: not measured yet"));
}

#[test]
fn a_device_that_fails_each_trial_is_tried_ever_more_rarely() {
    let mut seats = measured(&[1_000, 1_000]);
    seats[1].samples = 0;
    let tries = choices(&seats, &Rivalry::default(), 100_000).iter().filter(|&&(seat, _)| seat == 1).count();
    assert!(tries < 250, "{tries}");
}

#[test]
fn the_favourite_is_kept_while_idle_unless_another_is_clearly_better() {
    let rivalry = Rivalry::default();
    let mut seats = measured(&[1_000, 1_050]);
    assert_eq!(choices(&seats, &rivalry, 1)[0].0, 0);
    seats[0].run_ns = 1_140;
    assert_eq!(choices(&seats, &rivalry, 1), [(0, "as good as the fastest, and used before")]);
    seats[0].run_ns = 1_160;
    assert_eq!(choices(&seats, &rivalry, 1), [(1, "predicted to finish first")]);
    seats[0].run_ns = 1_000;
    assert_eq!(choices(&seats, &rivalry, 1), [(1, "as good as the fastest, and used before")]);
}

#[test]
fn backlog_spreads_in_spite_of_the_favourite() {
    let rivalry = Rivalry::default();
    let mut seats = measured(&[1_000, 1_000, 1_000, 1_000]);
    for _ in 0..400 {
        let (seat, _) = choices(&seats, &rivalry, 1)[0];
        seats[seat].operations += 1;
        seats[seat].ready_ns += 1_000;
    }
    assert!(seats.iter().all(|seat| (90..=110).contains(&seat.operations)), "{seats:?}");
}

#[test]
fn equals_whose_means_waver_do_not_alternate() {
    let (rivalry, mut chance) = (Rivalry::default(), Chance::new(3));
    let (mut changes, mut last) = (0, 0);
    for _ in 0..1_000 {
        let mut waver = || 1_000 + (90.0 * chance.share()) as u64;
        let (seat, why) = choices(&measured(&[waver(), waver()]), &rivalry, 1)[0];
        if why != "explored" {
            changes += usize::from(seat != last);
            last = seat;
        }
    }
    assert!(changes <= 2, "{changes}");
}

#[test]
fn exploring_costs_two_in_a_hundred_however_slow_the_others_are() {
    for runs in [[1_000, 1_500, 2_000, 3_000], [1_000, 4_000, 50_000, 50_000], [1_000, 1_100, 1_100, 900_000]] {
        let count = 1_000_000;
        let made = choices(&measured(&runs), &Rivalry::default(), count);
        let spent: u64 = made.iter().map(|&(seat, _)| runs[seat]).sum();
        let share = spent as f64 / (count as u64 * 1_000) as f64 - 1.0;
        assert!((0.002..0.0205).contains(&share), "{runs:?}: {share}");
        assert!((1..4).all(|other| made.iter().any(|&(seat, _)| seat == other)), "{runs:?}");
    }
}

#[test]
fn one_that_is_far_slower_does_not_keep_others_from_being_looked_at() {
    let made = choices(&measured(&[1_000, 2_000, 100_000_000]), &Rivalry::default(), 10_000);
    let looks: Vec<usize> =
        made.iter().enumerate().filter(|(_, made)| made.0 == 1).map(|(request, _)| request).collect();
    assert!(looks.windows(2).all(|pair| pair[1] - pair[0] <= 300), "{looks:?}");
    assert!(looks.len() > 80 && made.iter().all(|made| made.0 != 2));
}

#[test]
fn a_mix_takes_at_most_a_tenth_longer_than_with_all_known_beforehand() {
    for seed in 1..=5 {
        for in_flight in [ALONE, TOGETHER] {
            let ratio = against_oracle(World::of_four(seed), seed, 20_000, in_flight);
            assert!(ratio < 1.10, "seed {seed}, {in_flight} in flight: {ratio}");
        }
    }
}

#[test]
fn with_a_table_from_before_there_is_nearly_nothing_to_learn() {
    for in_flight in [ALONE, TOGETHER] {
        let mut before = World::of_four(20);
        run(&mut before, 20_000, in_flight);
        for seed in 21..=25 {
            let cold = against_oracle(World::of_four(seed), seed, 2_000, in_flight);
            let warm = against_oracle(before.restarted(seed), seed, 2_000, in_flight);
            assert!(warm < 1.10 && warm < cold - 0.2, "seed {seed}, {in_flight} in flight: {warm}, not {cold}");
        }
    }
}

#[test]
fn exploring_a_mix_of_sizes_costs_about_two_in_a_hundred() {
    let mut world = World::of_four(30);
    run(&mut world, 20_000, ALONE);
    let outcome = run(&mut world, 50_000, ALONE);
    let share = outcome.lost_ns / outcome.total_ns as f64;
    assert!(outcome.reasons.contains_key("explored") && share < 0.025, "{share}");
}

#[test]
fn a_device_that_becomes_ten_times_slower_is_noticed_within_two_hundred_requests() {
    for name in ["flaky", "latency", "cpu"] {
        for in_flight in [ALONE, TOGETHER] {
            let after = |placer: &Placer<'_>| {
                let mut world = World::of_four(40);
                world.run(placer, 20_000, in_flight);
                let device = world.number_of(name);
                world.servers[device].slowness = 10.0;
                world.run(placer, 200, in_flight);
                let outcome = world.run(placer, 1_000, in_flight);
                (outcome.placed[device], outcome.total_ns as f64)
            };
            let (own, best) = (after(&Placer::Balancer(&Fastest)), after(&Placer::Oracle));
            // What each size class still learns from the first such run shows in the time.
            assert!(own.0 <= best.0 + 70, "{name}, {in_flight} in flight: {} placed, not {}", own.0, best.0);
            assert!(own.1 < best.1 * 1.3, "{name}, {in_flight} in flight: {} ns, not {}", own.1, best.1);
        }
    }
}

#[test]
fn a_device_that_recovers_is_found_again_within_a_bounded_number_of_requests() {
    for in_flight in [ALONE, TOGETHER] {
        let mut world = World::of_four(50);
        world.sizes_between(4_000, 4_090);
        run(&mut world, 2_000, in_flight);
        let device = world.number_of("latency");
        let usual = run(&mut world, 1_000, in_flight).placed[device];
        world.servers[device].slowness = 10.0;
        run(&mut world, 5_000, in_flight);
        assert!(run(&mut world, 1_000, in_flight).placed[device] * 4 < usual);
        world.servers[device].slowness = 1.0;
        // A look costs up to nine best runs, three others share the price of a fiftieth, and a few more looks follow.
        run(&mut world, 2_000, in_flight);
        let again = run(&mut world, 1_000, in_flight).placed[device];
        assert!(again * 10 >= usual * 9, "{in_flight} in flight: {again}, not {usual}");
    }
}

#[test]
fn a_best_that_is_not_the_favourite_is_looked_at_until_its_mean_is_right() {
    let rivalry = Rivalry::default();
    choices(&measured(&[1_000, 2_000]), &rivalry, 1);
    let made = choices(&measured(&[1_000, 950]), &rivalry, 1_000);
    assert!(made.contains(&(1, "explored")));
    assert!(made.iter().filter(|choice| choice.0 == 1).count() < 50);
}

/// Prints what one choice takes: `cargo test --release -- --ignored --nocapture one_choice`.
#[test]
#[ignore = "measures time"]
fn one_choice_among_four() {
    let (rivalry, seats) = (Rivalry::default(), measured(&[1_000, 1_500, 3_000, 9_000]));
    let count = 10_000_000u32;
    let mut seen = [0u32; 4];
    let began = std::time::Instant::now();
    for request in 0..count {
        let bytes = 64 << (request % 14);
        let asked = Asked {
            algorithm: "x",
            direction: Direction::Encrypt,
            bytes,
            priority: 0,
            client: 0,
            device_count: 4,
            rivalry: &rivalry,
        };
        let choice = Fastest.find_device(&asked, std::hint::black_box(&seats)).expect("there are seats");
        seen[choice.seat] += 1;
    }
    println!("{:.1} ns for each choice; {seen:?}", began.elapsed().as_nanos() as f64 / f64::from(count));
}
