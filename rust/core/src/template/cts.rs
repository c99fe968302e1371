//! `cts(cbc(cipher))`: CBC with ciphertext stealing, so that messages of any length from one block on keep their
//! length.
//!
//! The order of the last two blocks is CS3's (RFC 3962, RFC 2040; SP 800-38A's addendum): always swapped, also where
//! the message is whole blocks; a message of one block is plain CBC.

use super::*;

pub(super) static TEMPLATES: &[Template] = &[Template { name: "cts", validate, compile }];

/// The largest block.
const MOST: usize = 32;

fn validate(composition: &Composition) -> Outcome<()> {
    let [part] = composition.parts([Kind::Cipher])?;
    let (shape, name) = (part.shape(), part.name());
    if shape.block == 0 || shape.block > MOST || shape.nonce != shape.block || !name.starts_with("cbc(") {
        return Err(Status::usage(format!("cts takes cbc(...), not {name}")));
    }
    Ok(())
}

fn compile(composition: &Composition, params: &Params) -> Outcome<Arc<dyn Transform>> {
    let [part] = composition.parts([Kind::Cipher])?;
    params.only(&composition.name, &["key"])?;
    Ok(composition.made(Cts { cbc: part.compile(params)?, block: part.shape().block }))
}

struct Cts {
    cbc: Arc<dyn Transform>,
    block: usize,
}

type Block = Zeroizing<[u8; MOST]>;

/// Up to a block of a source, padded with zeros.
fn gather(source: &Source) -> Block {
    let mut block = Block::default();
    block.iter_mut().zip(source.segments().flatten()).for_each(|(to, from)| *to = *from);
    block
}

impl Cts {
    /// Runs CBC over one block.
    fn one(&self, direction: Direction, block: &Block, iv: &[u8], output: &Output) -> Outcome<Block> {
        let block = View::of(block.get(..self.block).unwrap_or_default());
        let mut result = output.sibling();
        let outcome = perform_exactly(&*self.cbc, &call(direction, &block, iv, &EMPTY), &mut result, self.block);
        let bytes = gather(&View::of(result.as_slice()));
        result.wipe(self.block);
        outcome.map(|()| bytes)
    }

    /// Where the last, perhaps shorter, block begins.
    fn head(&self, len: usize) -> usize {
        len.saturating_sub(1) / self.block * self.block
    }

    fn encrypt(&self, call: &Call<'_>, output: &mut Output) -> Outcome<()> {
        let (source, len, block) = (call.source, call.source.len(), self.block);
        let head = self.head(len);
        output.exactly(len)?;
        let front = View::part(source, 0..head);
        perform_exactly(&*self.cbc, &super::call(Direction::Encrypt, &front, call.nonce, &EMPTY), output, head)?;
        // The block whose end is stolen; the one made with it takes its place.
        let stolen = gather(&View::of(output.as_slice().get(head - block..).unwrap_or_default()));
        let rest = gather(&View::part(source, head..len));
        let last = self.one(Direction::Encrypt, &rest, stolen.get(..block).unwrap_or_default(), output)?;
        output.set_len(head - block);
        output.append(last.get(..block).unwrap_or_default())?;
        output.append(stolen.get(..len - head).unwrap_or_default())
    }

    fn decrypt(&self, call: &Call<'_>, output: &mut Output) -> Outcome<()> {
        let (source, len, block) = (call.source, call.source.len(), self.block);
        let head = self.head(len);
        output.exactly(len)?;
        let last = gather(&View::part(source, head - block..head));
        // With zeros for the IV: the last piece of the message, masked by the stolen block, and then that block's end.
        let mut opened = self.one(Direction::Decrypt, &last, [0; MOST].get(..block).unwrap_or_default(), output)?;
        let mut stolen = opened.clone();
        let kept = gather(&View::part(source, head..len));
        for (at, ((opened, stolen), kept)) in opened.iter_mut().zip(stolen.iter_mut()).zip(kept.iter()).enumerate() {
            if at < len - head {
                (*opened, *stolen) = (*opened ^ kept, *kept);
            }
        }
        let front = View::part(source, 0..head - block).then(stolen.get(..block).unwrap_or_default());
        perform_exactly(&*self.cbc, &super::call(Direction::Decrypt, &front, call.nonce, &EMPTY), output, head)?;
        output.append(opened.get(..len - head).unwrap_or_default())
    }
}

impl Work for Cts {
    fn check(&self, name: &str, call: &Call<'_>) -> Outcome<()> {
        let (len, block) = (call.source.len(), self.block);
        if len < block {
            return Err(Status::usage(format!("message is {len} bytes, {name} takes {block} or more")));
        }
        let front = View::part(call.source, 0..self.head(len).max(block));
        self.cbc.check(&super::call(call.direction, &front, call.nonce, call.ad))
    }

    fn capacity(&self, call: &Call<'_>) -> usize {
        call.source.len()
    }

    fn run(&self, call: &Call<'_>, output: &mut Output) -> Outcome<()> {
        match call.direction {
            _ if call.source.len() == self.block => perform(&*self.cbc, call, output),
            Direction::Encrypt => self.encrypt(call, output),
            _ => self.decrypt(call, output),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn cts() -> Composition {
        of("cts", Kind::Cipher, &["cbc(aes)"])
    }

    #[test]
    fn known_answers() {
        // RFC 3962, appendix B; of one block plain CBC.
        let transform = cts().compile(&keyed(b"chicken teriyaki")).unwrap();
        let message = b"I would like the General Gau's Chicken, please, and wonton soup.";
        let answers = [
            (16, "97687268d6ecccc0c07b25e25ecfe584"),
            (17, "c6353568f2bf8cb4d8a580362da7ff7f97"),
            (31, "fc00783e0efdb2c1d445d4c8eff7ed2297687268d6ecccc0c07b25e25ecfe5"),
            (32, "39312523a78662d5be7fcbcc98ebf5a897687268d6ecccc0c07b25e25ecfe584"),
            (47, "97687268d6ecccc0c07b25e25ecfe584b3fffd940c16a18c1b5549d2f838029e39312523a78662d5be7fcbcc98ebf5"),
            (48, "97687268d6ecccc0c07b25e25ecfe5849dad8bbb96c4cdc03bc103e1a194bbd839312523a78662d5be7fcbcc98ebf5a8"),
            (
                64,
                "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a8\
                 4807efe836ee89a526730dbc2f7bc8409dad8bbb96c4cdc03bc103e1a194bbd8",
            ),
        ];
        for (len, answer) in answers {
            let ask = Ask { nonce: &[0; 16], ..Ask::default() };
            assert_eq!(answer, both_ways(&*transform, ask, &message[..len]), "{len}");
        }
    }

    #[test]
    fn it_is_padded_cbc_with_its_last_blocks_swapped() {
        for (cbc, block, key) in [("cbc(aes)", 16, 32), ("cbc(des3_ede)", 8, 24)] {
            let key: Vec<u8> = (0..key).collect();
            let transform = of("cts", Kind::Cipher, &[cbc]).compile(&keyed(&key)).unwrap();
            let plain = row(cbc).compile(&keyed(&key)).unwrap();
            let ask = Ask { nonce: &vec![7; block], ..Ask::default() };
            for len in (block + 1..100).chain([5000, 65_537]) {
                let message: Vec<u8> = (0..len).map(|i| (i * 5 % 256) as u8).collect();
                let mut padded = message.clone();
                padded.resize(len.next_multiple_of(block), 0);
                let mut expected = run(&*plain, Direction::Encrypt, &padded, ask).unwrap();
                let swap = padded.len() - 2 * block;
                expected[swap..].rotate_left(block);
                expected.truncate(len);
                assert_eq!(hex(&expected), both_ways(&*transform, ask, &message), "{cbc} {len}");
            }
        }
    }

    #[test]
    fn what_it_does_not_take_is_told() {
        let transform = cts().compile(&keyed(&[1; 16])).unwrap();
        let told = |len, nonce: &[u8], ad: &[u8]| {
            run(&*transform, Direction::Encrypt, &vec![0; len], Ask { nonce, ad, tag: &[] }).unwrap_err().to_string()
        };
        assert_eq!("message is 15 bytes, cts(cbc(aes)) takes 16 or more", told(15, &[0; 16], b""));
        assert_eq!("message is 0 bytes, cts(cbc(aes)) takes 16 or more", told(0, &[0; 16], b""));
        assert_eq!("nonce is 8 bytes, cbc(aes) takes 16", told(17, &[0; 8], b""));
        assert_eq!("cbc(aes) authenticates nothing, so it takes no additional data", told(17, &[0; 16], b"ad"));
        assert_eq!("cts(cbc(aes)) takes no parameter tag_len", refused(&cts(), &tagged(&[1; 16], 16)));
        let of_ctr = of("cts", Kind::Cipher, &["ctr(aes)"]).validate().unwrap_err().to_string();
        assert_eq!("cts takes cbc(...), not ctr(aes)", of_ctr);
    }
}
