//! Which place a request goes to, by the rules at the head of [`super::place`].

use super::Layer;
use super::place::{Ask, Bound, Chosen, Place};
use crate::alg::Direction;
use crate::balancers::{Asked, Choice, Seat};
use crate::cost::Costs;
use crate::device::Device;
use crate::status::{Outcome, Status};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const ONLY: &str = "highest priority";
/// Waking a worker, and the way back: what a request costs beyond its run when it is queued.
const HAND_OVER_NS: u64 = 15_000;
/// How many devices a layer has as a rule, at most.
const FEW: usize = 4;
/// A device's state, and the reason for it, for messages.
fn told_state(device: &Device) -> String {
    let (name, state, why) = (&device.name, device.state().name(), device.why());
    if why.is_empty() { format!("{name} is {state}") } else { format!("{name} is {state} ({why})") }
}

/// Most devices that a balancer is shown at once; the weakest beyond that are left out.
const SEATS: usize = 16;

impl Layer {
    /// Like [`choose`](Self::choose), if every place has compiled it, or refused to: then nothing is waited for.
    pub fn choose_met(&self, bound: &Bound, ask: &Ask<'_>) -> Option<Outcome<Chosen>> {
        bound.with_places(self, |places| {
            let is_met = places.iter().all(|place| place.keyed.get().is_some());
            is_met.then(|| self.choose_in(bound, places, ask))
        })
    }

    /// A place that has compiled it, whichever is the strongest.
    pub fn first_place(&self, bound: &Bound) -> Outcome<Arc<Place>> {
        let ask = Ask::of(bound.kind.directions().first().copied().unwrap_or(Direction::Digest), 0);
        bound.with_places(self, |places| {
            let mut refused = None;
            for place in places.iter().filter(|place| place.device.is_running()) {
                match place.meet(&bound.params) {
                    Ok(_) => return Ok(Arc::clone(place)),
                    Err(status) => refused = refused.or(Some(status)),
                }
            }
            Err(refused.unwrap_or_else(|| self.nobody(bound, places, &ask)))
        })
    }

    /// Where the steps of a stream go, which are the work of `driver`.
    pub fn place_steps(&self, bound: &Bound, driver: &'static str) -> Outcome<Chosen> {
        bound.with_places(self, |places| {
            let place = places.iter().find(|place| place.device.is_usable() && place.device.engine.runs_steps());
            match place {
                Some(place) => {
                    Ok(Chosen { place: Arc::new(place.for_steps(bound.kind, driver)), reason: ONLY, runs_here: false })
                }
                None => Err(Status::NoEngine(format!("no device here runs the steps of {}", bound.name))),
            }
        })
    }

    /// Where a request of this transform goes. Meeting a device for the first time compiles for it, which for a
    /// composition may wait for an engine.
    pub fn choose(&self, bound: &Bound, ask: &Ask<'_>) -> Outcome<Chosen> {
        bound.with_places(self, |places| self.choose_in(bound, places, ask))
    }

    fn choose_in(&self, bound: &Bound, places: &[Arc<Place>], ask: &Ask<'_>) -> Outcome<Chosen> {
        if let ([place], true) = (places, bound.is_proof())
            && !place.limits.takes(ask.direction, ask.bytes)
            && let Some(checker) = bound.checker()
        {
            // What an offer does not take cannot be wrong there; proofs go on with the reference in its place.
            let costs = Arc::new(Costs::new(bound.kind));
            let place = Arc::new(Place::of(&place.device, None, checker, costs));
            return Ok(Chosen { place, reason: "beyond the offer's limits: by the reference", runs_here: true });
        }
        match ask.device {
            Some(name) => self.choose_named(bound, places, name, ask),
            None => match places {
                [place] if bound.may_use(&place.device) && place.limits.takes(ask.direction, ask.bytes) => {
                    if ask.tried.contains(&place.device.number()) {
                        return Err(self.nobody(bound, places, ask));
                    }
                    place.meet(&bound.params)?;
                    Ok(Chosen { place: Arc::clone(place), reason: ONLY, runs_here: false })
                }
                _ => self.choose_among(bound, places, ask),
            },
        }
    }

    fn choose_named(&self, bound: &Bound, places: &[Arc<Place>], name: &str, ask: &Ask<'_>) -> Outcome<Chosen> {
        let Some(place) = places.iter().find(|place| *place.device.name == *name) else {
            let known: Vec<String> = self.devices().iter().map(|device| device.name.to_string()).collect();
            let devices = known.join(", ");
            return Err(Status::NoEngine(format!("no device {name:?} offers {}; devices here: {devices}", bound.name)));
        };
        if !bound.may_use(&place.device) {
            self.alive()?;
            let why = told_state(&place.device);
            return Err(Status::NoEngine(format!("no usable device offers {}: {why}", bound.name)));
        }
        if !place.limits.takes(ask.direction, ask.bytes) {
            return Err(self.nobody(bound, std::slice::from_ref(place), ask));
        }
        place.meet(&bound.params)?;
        Ok(Chosen { place: Arc::clone(place), reason: "bound by the caller", runs_here: false })
    }

    fn choose_among(&self, bound: &Bound, places: &[Arc<Place>], ask: &Ask<'_>) -> Outcome<Chosen> {
        let mut declined: Option<Status> = None;
        let mut refused: u64 = 0; // by index: compiling failed there
        // A quarantined device is better than none, unless it has lied.
        let is_there = |place: &Place| bound.may_use(&place.device);
        let is_desperate = !places.iter().any(|place| is_there(place) && place.limits.takes(ask.direction, ask.bytes));
        let fits = |index: usize, place: &Place, refused: u64, tried: &[u32]| {
            (index >= 64 || refused & (1 << index) == 0)
                && (is_there(place) || (is_desperate && place.device.is_last_resort(bound.verify)))
                && place.limits.takes(ask.direction, ask.bytes)
                && !tried.contains(&place.device.number())
        };
        loop {
            let mut candidates: [Option<(usize, &Arc<Place>)>; SEATS] = [None; SEATS];
            let mut count = 0;
            let (mut skipped, mut is_out) = (false, false);
            let mut least = 0;
            for (index, place) in places.iter().enumerate() {
                if !fits(index, place, refused, ask.tried) {
                    (skipped, is_out) = (true, is_out || !is_there(place));
                    continue;
                }
                if place.is_wrapper && count == 0 {
                    candidates[0] = Some((index, place));
                    count = 1;
                    break;
                }
                if place.is_wrapper || (count > 0 && place.priority < 0 && least >= 0) {
                    continue; // a wrapper that is not the strongest, or a last resort that is not needed
                }
                let rivals = |other: &Place| !other.is_wrapper && (other.priority >= 0 || place.priority < 0);
                if !place.device.may_trickle()
                    && places.iter().enumerate().any(|(i, other)| {
                        i != index && rivals(other) && fits(i, other, refused, ask.tried) && other.device.may_trickle()
                    })
                {
                    continue;
                }
                if let Some(slot) = candidates.get_mut(count) {
                    *slot = Some((index, place));
                    count += 1;
                    least = place.priority;
                }
            }
            let found = candidates.get(..count).unwrap_or(&[]);
            let (index, place, reason) = match found {
                [] => return Err(declined.unwrap_or_else(|| self.nobody(bound, places, ask))),
                [Some((index, place))] => {
                    let reason = match (is_desperate, skipped) {
                        (true, _) => "quarantined, and nobody else is there",
                        (false, true) if is_out => "the devices before it are not usable",
                        (false, true) => "the devices before it cannot take it",
                        (false, false) => ONLY,
                    };
                    (*index, *place, reason)
                }
                _ => self.balance(bound, found, ask)?,
            };
            match place.meet(&bound.params) {
                Ok(_) => return Ok(Chosen { place: Arc::clone(place), reason, runs_here: false }),
                Err(status) if index < 64 => {
                    declined = Some(status);
                    refused |= 1 << index;
                }
                Err(status) => return Err(status),
            }
        }
    }

    fn balance<'p>(
        &self,
        bound: &Bound,
        found: &[Option<(usize, &'p Arc<Place>)>],
        ask: &Ask<'_>,
    ) -> Outcome<(usize, &'p Arc<Place>, &'static str)> {
        const EMPTY: Seat<'static> = Seat {
            device: "",
            engine: "",
            number: 0,
            priority: 0,
            operations: 0,
            ready_ns: 0,
            run_ns: 0,
            samples: 0,
            has_room: false,
        };
        // Setting up room for many costs as much as looking at four.
        let (mut few, mut many);
        let all: &mut [Seat<'_>] = if found.len() <= FEW {
            few = [EMPTY; FEW];
            &mut few
        } else {
            many = [EMPTY; SEATS];
            &mut many
        };
        let mut count = 0;
        for (seat, (_, place)) in all.iter_mut().zip(found.iter().flatten()) {
            *seat = self.seat_of(place, ask);
            count += 1;
        }
        let seats = all.get(..count).unwrap_or(&[]);
        // Where nobody has lanes it makes no difference how many there are.
        let has_lanes = found.iter().flatten().any(|(_, place)| place.device.engine.lanes() > 1);
        let depth = if has_lanes { ask.depth } else { 1 };
        let asked = Asked {
            algorithm: &bound.name,
            direction: ask.direction,
            bytes: ask.bytes,
            priority: ask.priority,
            client: ask.client,
            device_count: self.num_devices.load(Ordering::Relaxed),
            rivalry: bound.rivalry.at(depth),
        };
        let balancer = self.balancer();
        let choice = if ask.is_peek { balancer.peek(&asked, seats) } else { balancer.find_device(&asked, seats) };
        let chosen = choice.and_then(|choice| Some((found.get(choice.seat)?.as_ref()?, choice)));
        let Some(((index, place), Choice { seat, reason })) = chosen else {
            let name = self.balancer().name().to_string();
            return Err(Status::NoEngine(format!("the balancer {name} found no device for {}", bound.name)));
        };
        // Somewhere else than the strongest, since that has no room: a spill.
        let full = !ask.is_peek && seats.iter().take(seat).any(|seat| !seat.has_room);
        if reason.starts_with("the balancer") && !ask.is_peek {
            self.fell_back(reason);
        }
        if full && seats.get(seat).is_some_and(|seat| seat.has_room) {
            place.device.stats.spilled.fetch_add(1, Ordering::Relaxed);
            self.fell_back("a stronger device was full");
        }
        Ok((*index, place, reason))
    }

    fn seat_of<'p>(&self, place: &'p Place, ask: &Ask<'_>) -> Seat<'p> {
        let device = &place.device;
        let operations = device.queue.len();
        // What waits there already is company.
        let costs = place.costs.at(ask.depth.max(operations + 1));
        let run_ns = costs.predict(ask.direction, ask.bytes);
        let is_inline = device.engine.runs_inline() && run_ns < self.settings.inline_ns;
        let stays = ask.here.is_some_and(|here| std::ptr::eq(here, &**device));
        Seat {
            device: &device.name,
            engine: device.engine.name(),
            number: device.number(),
            priority: place.priority,
            operations,
            ready_ns: if is_inline || stays { 0 } else { device.ready_ns().saturating_add(HAND_OVER_NS) },
            run_ns,
            samples: costs.samples(ask.direction, ask.bytes),
            has_room: is_inline || device.queue.has_room(ask.bytes, place.limits.queue),
        }
    }

    fn nobody(&self, bound: &Bound, places: &[Arc<Place>], ask: &Ask<'_>) -> Status {
        if let Err(closed) = self.alive() {
            return closed;
        }
        let name = &bound.name;
        let why = |place: &Arc<Place>| {
            let device = &place.device;
            if !device.is_usable() {
                told_state(device)
            } else if !place.limits.takes(ask.direction, 0) {
                format!("{} has no {}", device.name, ask.direction.name())
            } else if !place.limits.takes(ask.direction, ask.bytes) {
                let most = place.limits.max_bytes;
                format!("{} takes at most {most} bytes, not {}", device.name, ask.bytes)
            } else {
                format!("{} has been tried", device.name)
            }
        };
        let declined: Vec<String> = places.iter().map(why).collect();
        Status::NoEngine(if declined.is_empty() {
            format!("no device here offers {name}")
        } else {
            format!("no usable device offers {name}: {}", declined.join(", "))
        })
    }
}
