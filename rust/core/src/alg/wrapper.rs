//! What stands around deflate data: the headers and trailers of zlib (RFC 1950 2.2) and gzip (RFC 1952 2.3).
//!
//! Written here, small as it is, because no library reads them in steps, checks the header's own checksum and says which
//! byte was wrong. Raw deflate has an empty wrapper.

use crate::ffi::isal::Wrapper;
use crate::ffi::libdeflate;

/// Where in a header the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Fixed,
    ExtraLength,
    Extra,
    Name,
    Comment,
    Check,
    Done,
}

/// Reads a wrapper's header, wherever it is cut.
pub struct Header {
    format: Wrapper,
    field: Field,
    /// Bytes of the field that were read.
    count: u32,
    /// zlib's first byte, gzip's flags.
    flags: u8,
    extra: u32,
    sum: u32,
}

impl Header {
    /// At the first byte.
    pub fn new(format: Wrapper) -> Self {
        let field = if format == Wrapper::Raw { Field::Done } else { Field::Fixed };
        Self { format, field, count: 0, flags: 0, extra: 0, sum: 0 }
    }

    /// Whether the whole header was read.
    pub fn done(&self) -> bool {
        self.field == Field::Done
    }

    /// Takes bytes until the header is done. An error comes with the number of sound bytes before it.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, (usize, &'static str)> {
        if self.format == Wrapper::Gzip && self.field == Field::Fixed && self.count == 0 && bytes.len() >= 10 {
            // No optional field, as most members are: nothing more to look at.
            if bytes.starts_with(&[0x1f, 0x8b, 8, 0]) {
                self.field = Field::Done;
                return Ok(10);
            }
        }
        let mut taken = 0;
        for &byte in bytes {
            if self.field == Field::Done {
                break;
            }
            let result = if self.format == Wrapper::Zlib { self.zlib(byte) } else { self.gzip(byte) };
            result.map_err(|what| (taken, what))?;
            taken += 1;
        }
        Ok(taken)
    }

    fn zlib(&mut self, byte: u8) -> Result<(), &'static str> {
        if self.count == 0 {
            (self.flags, self.count) = (byte, 1);
            return if byte & 15 == 8 && byte >> 4 <= 7 { Ok(()) } else { Err("not zlib data") };
        }
        self.field = Field::Done;
        match (u32::from(self.flags) * 256 + u32::from(byte)) % 31 {
            0 if byte & 0x20 != 0 => Err("zlib data with a preset dictionary"),
            0 => Ok(()),
            _ => Err("wrong zlib header check"),
        }
    }

    fn gzip(&mut self, byte: u8) -> Result<(), &'static str> {
        let count = self.count;
        self.count += 1;
        if self.field == Field::Check {
            // RFC 1952 2.3.1.2: the low 16 bits of the CRC-32 of all bytes before it.
            if byte != self.sum.to_le_bytes().get(count as usize).copied().unwrap_or(0) {
                return Err("wrong gzip header checksum");
            }
        } else {
            self.sum = libdeflate::crc32(self.sum, &[byte]);
        }
        let complete = match self.field {
            Field::Fixed => {
                match (count, byte) {
                    (0, 0x1f) | (1, 0x8b) | (2, 8) | (4.., _) => {}
                    (0 | 1, _) => return Err("not gzip data"),
                    (2, _) => return Err("unknown gzip method"),
                    _ if byte & 0xe0 != 0 => return Err("reserved gzip flags"),
                    _ => self.flags = byte,
                }
                count == 9
            }
            Field::ExtraLength => {
                self.extra |= u32::from(byte) << (8 * count);
                count == 1
            }
            Field::Extra => count + 1 == self.extra,
            Field::Name | Field::Comment => byte == 0,
            Field::Check => count == 1,
            Field::Done => true,
        };
        if complete {
            self.advance();
        }
        Ok(())
    }

    /// Goes to the next field that the flags announce.
    fn advance(&mut self) {
        self.count = 0;
        let has = |bit: u8| self.flags & bit != 0;
        let order = [
            (Field::ExtraLength, has(4)),
            (Field::Extra, self.extra > 0),
            (Field::Name, has(8)),
            (Field::Comment, has(16)),
            (Field::Check, has(2)),
        ];
        let from = order.iter().position(|(field, _)| *field == self.field).map_or(0, |at| at + 1);
        let next = order.iter().skip(from).find(|(_, present)| *present);
        self.field = next.map_or(Field::Done, |(field, _)| *field);
    }
}

/// The running checksum of a member's output.
#[derive(Clone, Copy)]
pub struct Check {
    format: Wrapper,
    sum: u32,
    /// Modulo 2^32, as gzip counts.
    length: u32,
}

impl Check {
    /// Of no output yet.
    pub fn new(format: Wrapper) -> Self {
        Self { format, sum: u32::from(format == Wrapper::Zlib), length: 0 }
    }

    /// The wrapper whose checksum this is.
    pub fn format(&self) -> Wrapper {
        self.format
    }

    /// Takes the next bytes of the output.
    pub fn update(&mut self, bytes: &[u8]) {
        self.length = self.length.wrapping_add(bytes.len() as u32);
        self.sum = match self.format {
            Wrapper::Raw => 0,
            Wrapper::Zlib => libdeflate::adler32(self.sum, bytes),
            Wrapper::Gzip => libdeflate::crc32(self.sum, bytes),
        };
    }

    /// Bytes of the trailer.
    pub fn trailer_len(&self) -> usize {
        match self.format {
            Wrapper::Raw => 0,
            Wrapper::Zlib => 4,
            Wrapper::Gzip => 8,
        }
    }

    /// Compares with a whole trailer.
    pub fn verify(&self, trailer: &[u8]) -> Result<(), &'static str> {
        match (self.format, trailer) {
            (Wrapper::Zlib, _) if trailer != self.sum.to_be_bytes() => Err("wrong Adler-32"),
            (Wrapper::Gzip, [sum @ .., _, _, _, _]) if sum != self.sum.to_le_bytes() => Err("wrong gzip CRC-32"),
            (Wrapper::Gzip, [_, _, _, _, length @ ..]) if length != self.length.to_le_bytes() => {
                Err("wrong gzip length")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A header with every optional field, and its own checksum.
    fn full() -> Vec<u8> {
        let mut header = vec![0x1f, 0x8b, 8, 2 + 4 + 8 + 16, 1, 2, 3, 4, 0, 3, 3, 0, b'a', 0, b'b'];
        header.extend_from_slice(b"name\0comment\0");
        let sum = libdeflate::crc32(0, &header) as u16;
        header.extend_from_slice(&sum.to_le_bytes());
        header
    }

    #[test]
    fn every_field_is_passed_over_wherever_it_is_cut() {
        let mut bytes = full();
        let len = bytes.len();
        bytes.push(0xaa);
        for cut in 0..len {
            let mut header = Header::new(Wrapper::Gzip);
            assert_eq!(header.feed(&bytes[..cut]), Ok(cut));
            assert!(!header.done());
            assert_eq!(header.feed(&bytes[cut..]), Ok(len - cut));
            assert!(header.done());
        }
    }

    #[test]
    fn a_wrong_header_checksum_is_found() {
        let mut bytes = full();
        bytes[20] ^= 1;
        let at = bytes.len() - 2;
        assert!(matches!(Header::new(Wrapper::Gzip).feed(&bytes), Err((place, _)) if place >= at));
    }

    #[test]
    fn an_empty_extra_field_is_a_field() {
        let bytes = [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3, 0, 0];
        let mut header = Header::new(Wrapper::Gzip);
        assert_eq!(header.feed(&bytes), Ok(12));
        assert!(header.done());
    }

    #[test]
    fn what_is_no_header_is_refused_at_its_byte() {
        let refused = |format, bytes: &[u8]| Header::new(format).feed(bytes).unwrap_err().0;
        assert_eq!(refused(Wrapper::Gzip, b"PK34567890"), 0);
        assert_eq!(refused(Wrapper::Gzip, &[0x1f, 0x8b, 7]), 2);
        assert_eq!(refused(Wrapper::Gzip, &[0x1f, 0x8b, 8, 0x80]), 3);
        assert_eq!(refused(Wrapper::Zlib, &[0x79, 0]), 0);
        assert_eq!(refused(Wrapper::Zlib, &[0x78, 0x9d]), 1);
        assert_eq!(refused(Wrapper::Zlib, &[0x78, 0xbb]), 1);
    }
}
