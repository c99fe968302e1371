//! Long messages sealed unit by unit: the STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár, "Online
//! Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015), as age v1 uses it.
//!
//! A message is cut into units of `unit` bytes, of which the last may be shorter; each is sealed on its own, its tag
//! right behind it. The nonce is that of the first unit: eleven bytes of a big-endian counter, which grows by one a
//! unit, and the final flag, which belongs to the last unit of the message; all before it have 0. So a stream is cut
//! into messages at unit boundaries, which many threads seal at once, and only the last of them has the flag. No unit is
//! empty but that of an empty stream. Additional data are bound to every unit.
//!
//! Units are sealed and opened straight from source to output. Only one that straddles segments is copied first.

use super::reading::Reading;
use super::*;
use crate::ffi::awslc::{AeadKey, AeadKind};

pub static ALGORITHMS: &[Algorithm] = &[
    row("stream(chacha20-poly1305)", "stream-chacha20-poly1305-awslc", |p| compile(&ALGORITHMS[0], CHACHA, p)),
    row("stream(gcm(aes))", "stream-gcm-aes-awslc", |p| compile(&ALGORITHMS[1], GCM, p)),
];

type Compile = fn(&Params) -> Outcome<Arc<dyn Transform>>;

const fn row(name: &'static str, driver: &'static str, compile: Compile) -> Algorithm {
    Algorithm { name, kind: Kind::Aead, driver, library: "aws-lc", insecure: false, compile }
}

/// The AEAD of the units, and its keys.
type Rules = (AeadKind, &'static [usize], &'static str);

const CHACHA: Rules = (AeadKind::ChaCha20Poly1305, &[32], "32");
const GCM: Rules = (AeadKind::AesGcm, &[16, 24, 32], "16, 24 or 32");

/// As in age v1.
const DEFAULT_UNIT: usize = 64 << 10;
/// A unit is opened as a whole, and copied if it straddles segments: it should be far smaller than memory.
const MOST_UNIT: usize = 16 << 20;
const TAG: usize = 16;
const NONCE: usize = 12;
/// Bytes of the counter, the most significant first.
const COUNTER: usize = 11;
const MOST_COUNTER: u128 = (1 << (8 * COUNTER)) - 1;
const FINAL: u8 = 1;

fn compile(algorithm: &'static Algorithm, rules: Rules, params: &Params) -> Outcome<Arc<dyn Transform>> {
    let (name, (kind, keys, wanted)) = (algorithm.name, rules);
    params.only(name, &["key", "tag_len", "unit"])?;
    let key = params.key(name, || format!("{wanted} bytes"))?;
    if !keys.contains(&key.len()) {
        return Err(Status::usage(format!("key is {} bytes, {name} takes {wanted}", key.len())));
    }
    if let Some(tag_len) = params.tag_len.filter(|len| *len != TAG) {
        return Err(Status::usage(format!("tag_len is {tag_len}, {name} takes {TAG}")));
    }
    let unit = params.unit.unwrap_or(DEFAULT_UNIT);
    if !(1..=MOST_UNIT).contains(&unit) {
        return Err(Status::usage(format!("unit is {unit} bytes, {name} takes 1 to {MOST_UNIT}")));
    }
    Ok(Arc::new(StreamAead { algorithm, key: AeadKey::new(kind, key, TAG)?, unit }))
}

struct StreamAead {
    algorithm: &'static Algorithm,
    key: AeadKey,
    unit: usize,
}

/// Nonces of a message's units, in order.
struct Nonces {
    counter: u128,
    flag: u8,
}

impl Nonces {
    /// `None` if that is no nonce of a stream.
    fn from(nonce: &[u8]) -> Option<Self> {
        let (counter, flag) = nonce.split_at_checked(COUNTER)?;
        let &[flag @ 0..=FINAL] = flag else { return None };
        Some(Self { counter: counter.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte)), flag })
    }

    /// Whether the counter has room for so many units.
    fn reaches(&self, units: usize) -> bool {
        units as u128 - 1 <= MOST_COUNTER - self.counter
    }

    fn next(&mut self, is_last: bool) -> [u8; NONCE] {
        let flag = if is_last { self.flag } else { 0 };
        let mut nonce = [0; NONCE];
        let whole = (self.counter << 8 | u128::from(flag)).to_be_bytes();
        nonce.iter_mut().rev().zip(whole.iter().rev()).for_each(|(to, from)| *to = *from);
        self.counter += 1;
        nonce
    }
}

impl StreamAead {
    /// Units of a plaintext.
    fn units(&self, len: usize) -> usize {
        len.div_ceil(self.unit).max(1)
    }

    /// Units of what was sealed; an empty one only if it stands alone.
    fn sealed_units(&self, len: usize) -> Option<usize> {
        let whole = self.unit + TAG;
        match len % whole {
            0 if len > 0 => Some(len / whole),
            TAG if len == TAG => Some(1),
            rest if rest > TAG => Some(len / whole + 1),
            _ => None,
        }
    }

    fn seal(&self, call: &Call<'_>, ad: &[u8], output: &mut Output) -> Outcome<()> {
        let total = self.capacity(call);
        let mut space = output.exactly(total)?;
        let mut nonces = Nonces::from(call.nonce).ok_or_else(inconsistent)?;
        let mut reading = Reading::of(call.source.segments());
        let mut left = call.source.len();
        loop {
            let len = left.min(self.unit);
            left -= len;
            let (data, rest) = space.split_at_mut_checked(len).ok_or_else(inconsistent)?;
            let (tag, rest) = rest.split_at_mut_checked(TAG).ok_or_else(inconsistent)?;
            space = rest;
            let whole = reading.next(data);
            self.key.seal(&nonces.next(left == 0), ad, whole, data, tag)?;
            if left == 0 {
                break;
            }
        }
        output.set_len(total);
        Ok(())
    }

    fn open(&self, call: &Call<'_>, ad: &[u8], output: &mut Output) -> Outcome<()> {
        // What cannot have been sealed is not authentic.
        let failed = || Status::AuthenticationFailed;
        let units = self.sealed_units(call.source.len()).ok_or_else(failed)?;
        let total = call.source.len() - units * TAG;
        let mut nonces = Nonces::from(call.nonce).filter(|nonces| nonces.reaches(units)).ok_or_else(failed)?;
        if nonces.flag != FINAL && total != units * self.unit {
            return Err(failed());
        }
        let mut space = output.exactly(total)?;
        let mut reading = Reading::of(call.source.segments());
        for unit in 1..=units {
            let (data, rest) = space.split_at_mut_checked(space.len().min(self.unit)).ok_or_else(inconsistent)?;
            space = rest;
            let whole = reading.next(data);
            let mut tag = [0; TAG];
            reading.fill(&mut tag);
            self.key.open(&nonces.next(unit == units), ad, whole, data, &tag)?;
        }
        output.set_len(total);
        Ok(())
    }
}

/// Never, after the checks.
#[cold]
fn inconsistent() -> Status {
    Status::Internal("a stream's sizes do not fit each other".to_owned())
}

impl Transform for StreamAead {
    fn kind(&self) -> Kind {
        Kind::Aead
    }

    fn driver(&self, _direction: Direction) -> &'static str {
        self.algorithm.driver
    }

    fn check(&self, call: &Call<'_>) -> Outcome<()> {
        let name = self.algorithm.name;
        if call.nonce.len() != NONCE {
            return Err(Status::usage(format!("nonce is {} bytes, {name} takes {NONCE}", call.nonce.len())));
        }
        if call.direction != Direction::Encrypt {
            return Ok(());
        }
        let (len, unit) = (call.source.len(), self.unit);
        let Some(nonces) = Nonces::from(call.nonce) else {
            let flag = call.nonce.last().copied().unwrap_or_default();
            return Err(Status::usage(format!("nonce ends with {flag}, {name} takes a final flag of 0 or 1")));
        };
        let units = self.units(len);
        if !nonces.reaches(units) {
            let limit = format!("counter of {COUNTER} bytes, which begins with {}", nonces.counter);
            return Err(Status::usage(format!("message is {units} units, too many for the {limit}")));
        }
        if nonces.flag != FINAL && (len == 0 || !len.is_multiple_of(unit)) {
            let rule = format!("without the final flag {name} takes multiples of its unit of {unit}");
            return Err(Status::usage(format!("message is {len} bytes, {rule}")));
        }
        if units.checked_mul(TAG).and_then(|tags| tags.checked_add(len)).is_none() {
            return Err(Status::usage(format!("message is {len} bytes, more than memory with {units} tags")));
        }
        Ok(())
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        let len = call.source.len();
        match call.direction {
            Direction::Encrypt => len.saturating_add(self.units(len).saturating_mul(TAG)),
            _ => len.saturating_sub(len.div_ceil(self.unit + TAG) * TAG),
        }
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<Facts> {
        self.check(call)?;
        let mut scratch = Vec::new();
        let ad = call.ad.contiguous(&mut scratch);
        let outcome = match call.direction {
            Direction::Encrypt => self.seal(call, ad, output),
            Direction::Decrypt => self.open(call, ad, output),
            other => Err(Status::usage(format!("{} cannot {}", self.algorithm.name, other.name()))),
        };
        super::aead::wiped(outcome, output, self.capacity(call))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::digest::tests::{Ask, PLAIN, hex, pieces, run, unhex};
    use super::*;
    use crate::buffer::Pool;

    const UNIT: usize = 100;
    const NAMES: [&str; 2] = ["stream(chacha20-poly1305)", "stream(gcm(aes))"];

    fn of(name: &str, unit: usize) -> Arc<dyn Transform> {
        let key = Some(vec![7; 32].into());
        super::super::compile(name, &Params { key, unit: Some(unit), ..Params::default() }).unwrap()
    }

    fn nonce(counter: u128, flag: u8) -> Vec<u8> {
        (counter << 8 | u128::from(flag)).to_be_bytes()[4..].to_vec()
    }

    fn message(len: usize) -> Vec<u8> {
        (0..len as u32).map(|i| (i * 13 % 253) as u8).collect()
    }

    fn once(transform: &dyn Transform, direction: Direction, nonce: &[u8], source: &[u8]) -> Outcome<Vec<u8>> {
        run(transform, direction, source, &Ask { nonce, ad: b"beside", ..PLAIN })
    }

    #[test]
    fn known_answers() {
        // By pyca/cryptography, unit by unit.
        let message: Vec<u8> = (0..40).collect();
        let ask = Ask { nonce: &unhex("00fffffffffffffffffffe01"), ad: b"header", ..PLAIN };
        let answers = [
            "b70be4c8e8f1d5c4f81e47bc1851c11b89c573e673d69516336a4fb460bfa0fb59db2861b718f921798dea950f6352db8448803c\
             269cb488bf1e07b4b744b5f080d6467ebbbb51b6f11f313c0960ede5deed59f05bdd7e2e",
            "666c87f42f663664b3a45f1ea33637af6c7af9cfac38bfa1ec9dded7e96b0d3efdca0f2459a1166c77c635c430625c9f29857481\
             a08c97f13f0a65b3f41fdc58621fd06c7baca677a9b26d61c42b581d214ee0786d36c601",
        ];
        for (name, answer) in NAMES.into_iter().zip(answers) {
            let key = Some((0x80..0xa0).collect::<Vec<u8>>().into());
            let params = Params { key, unit: Some(16), ..Params::default() };
            let transform = super::super::compile(name, &params).unwrap();
            let sealed = run(&*transform, Direction::Encrypt, &message, &ask).unwrap();
            assert_eq!(hex(&sealed), answer);
            assert_eq!(run(&*transform, Direction::Decrypt, &sealed, &ask).unwrap(), message);
        }
    }

    #[test]
    fn any_cut_at_units_gives_the_same_stream() {
        for name in NAMES {
            let transform = of(name, UNIT);
            for len in [0, 1, UNIT - 1, UNIT, UNIT + 1, 4 * UNIT, 5 * UNIT - 3] {
                let message = message(len);
                let whole = once(&*transform, Direction::Encrypt, &nonce(9, FINAL), &message).unwrap();
                assert_eq!(whole.len(), len + len.div_ceil(UNIT).max(1) * TAG);
                for units in 1..=5 {
                    let mut parts = Vec::new();
                    let mut opened = Vec::new();
                    let mut rest = message.as_slice();
                    for counter in (9..).step_by(units) {
                        let flag = u8::from(rest.len() <= units * UNIT);
                        let (part, left) = rest.split_at(rest.len().min(units * UNIT));
                        let nonce = nonce(counter, flag);
                        let sealed = once(&*transform, Direction::Encrypt, &nonce, part).unwrap();
                        opened.extend(once(&*transform, Direction::Decrypt, &nonce, &sealed).unwrap());
                        parts.extend(sealed);
                        rest = left;
                        if flag == FINAL {
                            break;
                        }
                    }
                    assert!(parts == whole && opened == message, "{name} {len} {units}");
                }
            }
        }
    }

    #[test]
    fn any_segments_give_the_same_stream() {
        for name in NAMES {
            let transform = of(name, 7);
            let (message, nonce, ad) = (message(40), nonce(0, FINAL), Source::default());
            let pool = Pool::new(1 << 20);
            let over = |direction, bytes: &[u8], size: usize| {
                let parts: Vec<_> = bytes.chunks(size).map(|part| (part.as_ptr(), part.len())).collect();
                // SAFETY: `bytes` outlive the source.
                #[allow(unsafe_code)]
                let source = unsafe { Source::borrowed(&parts) };
                let call = Call { direction, source: &source, nonce: &nonce, ad: &ad, tag: &[], max_output: 0 };
                let mut output = Output::pooled(&pool);
                transform.run(&call, &mut output).map(|_| output.as_slice().to_vec())
            };
            let whole = over(Direction::Encrypt, &message, 40).unwrap();
            for size in 1..=whole.len() {
                assert_eq!(over(Direction::Encrypt, &message, size).unwrap(), whole);
                assert_eq!(over(Direction::Decrypt, &whole, size).unwrap(), message);
            }
        }
    }

    #[test]
    fn what_was_not_sealed_so_does_not_open() {
        for name in NAMES {
            let transform = of(name, UNIT);
            let text = message(3 * UNIT);
            let last = nonce(0, FINAL);
            let sealed = once(&*transform, Direction::Encrypt, &last, &text).unwrap();
            let refused = |nonce: &[u8], box_: &[u8]| {
                assert_eq!(once(&*transform, Direction::Decrypt, nonce, box_), Err(Status::AuthenticationFailed));
            };
            for at in 0..sealed.len() {
                let mut forged = sealed.clone();
                forged[at] ^= 1;
                refused(&last, &forged);
                refused(&last, &sealed[..at]);
            }
            refused(&nonce(1, FINAL), &sealed);
            refused(&nonce(0, 0), &sealed);
            refused(&nonce(0, 2), &sealed);
            refused(&nonce(MOST_COUNTER, FINAL), &sealed);
            // Order, omission, doubling.
            let units: Vec<&[u8]> = sealed.chunks(UNIT + TAG).collect();
            refused(&last, &[units[1], units[0], units[2]].concat());
            refused(&last, &[units[0], units[2]].concat());
            refused(&last, &[units[0], units[1], units[2], units[2]].concat());
            // An empty last unit, though sealed with the right nonce.
            let begun = once(&*transform, Direction::Encrypt, &nonce(0, 0), &text).unwrap();
            let empty = once(&*transform, Direction::Encrypt, &nonce(3, FINAL), &[]).unwrap();
            refused(&last, &[begun.as_slice(), &empty].concat());
            assert_eq!(once(&*transform, Direction::Decrypt, &last, &sealed).unwrap(), text);
        }
    }

    #[test]
    fn a_failed_open_leaves_nothing_behind() {
        let transform = of(NAMES[0], UNIT);
        let nonce = nonce(0, FINAL);
        let mut sealed = once(&*transform, Direction::Encrypt, &nonce, &[0x55; 3 * UNIT]).unwrap();
        let at = sealed.len() - 1;
        sealed[at] ^= 1;
        for source in [pieces(&sealed), sealed.clone().into()] {
            let ad = Source::from(b"beside".to_vec());
            let mut memory = [0xee; 3 * UNIT];
            // SAFETY: `memory` outlives the output and is looked at only after it is gone.
            #[allow(unsafe_code)]
            let mut output = unsafe { Output::fixed(&Pool::new(0), memory.as_mut_ptr(), memory.len()) };
            let direction = Direction::Decrypt;
            let call = Call { direction, source: &source, nonce: &nonce, ad: &ad, tag: &[], max_output: 0 };
            assert_eq!(transform.run(&call, &mut output).err(), Some(Status::AuthenticationFailed));
            assert!(output.is_empty());
            drop(output);
            assert_eq!(memory, [0; 3 * UNIT]);
        }
    }

    #[test]
    fn wrong_sizes_are_told() {
        let compiled = |params| super::super::compile(NAMES[0], &params).err().unwrap().to_string();
        let keyed = |unit, tag_len| Params { key: Some(vec![0; 32].into()), unit, tag_len, ..Params::default() };
        let name = NAMES[0];
        assert_eq!(format!("unit is 0 bytes, {name} takes 1 to 16777216"), compiled(keyed(Some(0), None)));
        assert_eq!(
            format!("unit is 16777217 bytes, {name} takes 1 to 16777216"),
            compiled(keyed(Some(16777217), None))
        );
        assert_eq!(format!("tag_len is 12, {name} takes 16"), compiled(keyed(None, Some(12))));
        assert_eq!(format!("{name} needs a key: 32 bytes"), compiled(Params::default()));
        let short = Params { key: Some(vec![0; 15].into()), ..Params::default() };
        let told = super::super::compile(NAMES[1], &short).err().unwrap().to_string();
        assert_eq!("key is 15 bytes, stream(gcm(aes)) takes 16, 24 or 32", told);
        let only = super::super::compile("gcm(aes)", &keyed(Some(5), None)).err().unwrap().to_string();
        assert_eq!("gcm(aes) takes no parameter unit", only);

        let told = |nonce: &[u8], len: usize| {
            once(&*of(name, UNIT), Direction::Encrypt, nonce, &message(len)).err().unwrap().to_string()
        };
        assert_eq!(format!("nonce is 11 bytes, {name} takes 12"), told(&[0; 11], 1));
        assert_eq!(format!("nonce ends with 2, {name} takes a final flag of 0 or 1"), told(&nonce(0, 2), 1));
        for len in [0, 1, 101] {
            let rule = format!("without the final flag {name} takes multiples of its unit of 100");
            assert_eq!(format!("message is {len} bytes, {rule}"), told(&nonce(0, 0), len));
        }
        let end = format!("too many for the counter of 11 bytes, which begins with {MOST_COUNTER}");
        assert_eq!(format!("message is 2 units, {end}"), told(&nonce(MOST_COUNTER, FINAL), 101));
        once(&*of(name, UNIT), Direction::Encrypt, &nonce(MOST_COUNTER, FINAL), &message(100)).unwrap();
    }
}
