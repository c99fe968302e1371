#![allow(clippy::unwrap_used, clippy::panic)]
//! Whatever travels together, each message ends as the software engine's form says it does.

use super::*;
use crate::alg::{Call, Direction};
use crate::buffer::{EMPTY, Output, Pool, Source};
use std::any::Any;

/// Numbers that look random (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.roll(256) as u8).collect()
    }
}

fn engine() -> Option<Multibuffer> {
    Multibuffer::new().inspect_err(|reason| println!("skipped: {reason}")).ok()
}

struct Case {
    name: String,
    transform: Arc<dyn Transform>,
    twin: Arc<dyn Transform>,
    direction: Direction,
    source: Source,
    nonce: Vec<u8>,
    ad: Source,
    tag: Vec<u8>,
}

impl Case {
    fn call(&self) -> Call<'_> {
        Call {
            direction: self.direction,
            source: &self.source,
            nonce: &self.nonce,
            ad: &self.ad,
            tag: &self.tag,
            max_output: u64::MAX,
        }
    }
}

fn params(dice: &mut Dice, name: &str) -> Params {
    let aes = [16, 24, 32][dice.roll(3)];
    let len = match name {
        _ if name.starts_with("sha") => return Params::default(),
        _ if name.starts_with("hmac") => dice.roll(300),
        _ if name.contains("chacha") => 32,
        _ => aes,
    };
    let mut key = dice.bytes(len);
    let mut tag_len = None;
    if name.starts_with("authenc") {
        let auth_len = dice.roll(200);
        let auth = dice.bytes(auth_len);
        key = [&[8, 0, 1, 0, 0, 0, 0, aes as u8][..], &auth, &key].concat();
        tag_len = [None, Some(12), Some(4), Some(20)][dice.roll(4)];
    } else if ["hmac", "cmac", "gcm"].into_iter().any(|kind| name.starts_with(kind)) {
        tag_len = [None, Some(4), Some(13)][dice.roll(3)];
    } else if name.starts_with("ccm") {
        tag_len = [None, Some(4), Some(10)][dice.roll(3)];
    }
    Params { key: Some(key.into()), tag_len, ..Params::default() }
}

fn length(dice: &mut Dice) -> usize {
    match dice.roll(10) {
        0 => 0,
        1 => 65_500 + dice.roll(100),
        2..=5 => dice.roll(300),
        _ => dice.roll(9000),
    }
}

fn output() -> Output {
    Output::pooled(&Pool::new(0))
}

/// A message that may be encrypted, opened, forged or simply wrong.
fn case(dice: &mut Dice, engine: &Multibuffer, offer: &Offer) -> Case {
    let name = offer.algorithm.clone();
    let params = params(dice, &name);
    let transform = engine.compile(offer, &params).unwrap();
    let twin = twin::compile(&name, "twin", &params).unwrap();
    let mut len = length(dice);
    if name.contains("cbc") && dice.roll(10) > 0 {
        len -= len % 16;
    }
    let nonce_len = match &*name {
        _ if dice.roll(20) == 0 => 5 + dice.roll(20),
        "gcm(aes)" | "chacha20-poly1305" | "rfc7539(chacha20,poly1305)" => 12,
        "ccm(aes)" => 7 + dice.roll(7),
        _ if offer.kind == Kind::Digest || offer.kind == Kind::Mac => 0,
        _ => 16,
    };
    let mut nonce = dice.bytes(nonce_len);
    if dice.roll(8) == 0 && nonce_len == 16 {
        nonce[12..].copy_from_slice(&[0xff, 0xff, 0xff, 0xf0]); // a counter that overflows
    }
    let ad_len = if offer.kind == Kind::Aead && dice.roll(2) == 0 { dice.roll(80) } else { 0 };
    let ad = Source::from(dice.bytes(ad_len));
    let directions = offer.kind.directions();
    let direction = directions[dice.roll(directions.len())];
    let message = dice.bytes(len);
    let own = |direction, source| Case {
        name: name.clone(),
        transform: Arc::clone(&transform),
        twin: Arc::clone(&twin),
        direction,
        source,
        nonce: nonce.clone(),
        ad: Source::from(ad.as_slice().unwrap_or_default().to_vec()),
        tag: Vec::new(),
    };
    let mut made = own(direction, Source::from(message.clone()));
    let mut forge = |bytes: &mut Vec<u8>| {
        if dice.roll(4) == 0 && !bytes.is_empty() {
            let at = dice.roll(bytes.len());
            bytes[at] ^= 1 << dice.roll(8);
        }
    };
    if direction == Direction::Verify {
        let (mac, mut tag) = (own(Direction::Mac, Source::from(message)), output());
        twin.run(&mac.call(), &mut tag).unwrap();
        made.tag = tag.as_slice().to_vec();
        forge(&mut made.tag);
    } else if direction == Direction::Decrypt {
        let (seal, mut sealed) = (own(Direction::Encrypt, Source::from(message)), output());
        if twin.run(&seal.call(), &mut sealed).is_ok() {
            let mut sealed = sealed.as_slice().to_vec();
            forge(&mut sealed);
            made.source = Source::from(sealed);
        }
    }
    made
}

fn told(outcome: &Outcome<Facts>, output: &Output) -> Result<Vec<u8>, Status> {
    outcome.as_ref().map(|_| output.as_slice().to_vec()).map_err(Clone::clone)
}

/// Errors that name the driver or the twin's own name are the same all the same.
fn check(cases: &[Case], results: &[Outcome<Facts>], outputs: &[Output]) {
    assert_eq!(results.len(), cases.len());
    for ((case, result), output_of) in cases.iter().zip(results).zip(outputs) {
        let mut wanted = output();
        let right = case.twin.run(&case.call(), &mut wanted);
        let (name, direction, len) = (&case.name, case.direction, case.source.len());
        assert_eq!(told(result, output_of), told(&right, &wanted), "{name} {direction:?} {len}");
    }
}

#[test]
fn any_mix_gives_what_the_software_engine_gives() {
    let Some(engine) = engine() else { return };
    let offers = engine.offers();
    assert_eq!(offers.len(), 22);
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for round in 0..60 {
        let depth = [1, 2, 7, 16, 64, 200][round % 6];
        let cases: Vec<Case> = (0..depth)
            .map(|_| {
                let offer = &offers[dice.roll(offers.len())];
                case(&mut dice, &engine, offer)
            })
            .collect();
        let mut outputs: Vec<Output> = cases.iter().map(|_| output()).collect();
        let mut jobs: Vec<Job<'_>> = cases
            .iter()
            .zip(&mut outputs)
            .map(|(case, output)| Job { transform: &*case.transform, call: case.call(), output })
            .collect();
        let results = engine.run_many(&mut jobs);
        check(&cases, &results, &outputs);
    }
}

#[test]
fn every_offer_is_right_alone_and_in_company() {
    let Some(engine) = engine() else { return };
    let mut dice = Dice(1);
    for offer in engine.offers() {
        let cases: Vec<Case> = (0..40).map(|_| case(&mut dice, &engine, &offer)).collect();
        let mut outputs: Vec<Output> = cases.iter().map(|_| output()).collect();
        let alone: Vec<Outcome<Facts>> =
            cases.iter().zip(&mut outputs).map(|(case, output)| case.transform.run(&case.call(), output)).collect();
        check(&cases, &alone, &outputs);
    }
}

#[test]
fn the_callers_memory_is_not_overrun_and_holds_nothing_that_was_forged() {
    let Some(engine) = engine() else { return };
    let offers = engine.offers();
    let offer = offers.iter().find(|offer| offer.driver == "authenc-hmac-sha256-cbc-aes-ipsecmb").unwrap();
    let key = [&[8, 0, 1, 0, 0, 0, 0, 16][..], &[1; 48]].concat();
    let params = Params { key: Some(key.into()), ..Params::default() };
    let transform = engine.compile(offer, &params).unwrap();
    assert!((&*transform as &dyn Any).is::<laned::Laned>());
    let source = Source::from(vec![5; 64 + 32]);
    let mut memory = [7u8; 70];
    // SAFETY: `memory` outlives the output.
    #[allow(unsafe_code)]
    let mut output = unsafe { Output::fixed(&Pool::new(0), memory.as_mut_ptr(), memory.len()) };
    let call =
        Call { direction: Direction::Decrypt, source: &source, nonce: &[0; 16], ad: &EMPTY, tag: &[], max_output: 0 };
    assert_eq!(transform.run(&call, &mut output), Err(Status::AuthenticationFailed));
    drop(output);
    assert_eq!(memory[..64], [0; 64]);
    assert_eq!(memory[64..], [7; 6]);
}

#[test]
fn the_one_knob_has_limits() {
    let Some(engine) = engine() else { return };
    engine.tune("gather_us", 0.0).unwrap();
    for (knob, value) in [("gather_us", -1.0), ("gather_us", f64::NAN), ("gather_us", 1001.0), ("depth", 1.0)] {
        assert!(matches!(engine.tune(knob, value), Err(Status::Usage(why)) if why.contains(knob)));
    }
}
