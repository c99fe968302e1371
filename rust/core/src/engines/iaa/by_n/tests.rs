#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
//! Nothing is lost on the way in and out, and nothing that was damaged is cut by.

use super::*;

/// Numbers that look random (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % sides
    }
}

/// A codec that is easy to see through: what it writes is one byte longer than what it reads.
fn body(part: &[u8]) -> Vec<u8> {
    [&[0xbd], part].concat()
}

fn pack(src: &[u8], num: usize, capacity: usize) -> Result<Vec<u8>, Wrong> {
    let mut dst = vec![0xaa; capacity];
    let (parts, places) = (split(src.len(), num)?, places(capacity, num)?);
    let mut sizes = Vec::new();
    for (part, place) in parts.iter().zip(places.iter()) {
        let body = body(&src[part]);
        if body.len() > place.len() {
            return Err(Wrong::Room { capacity: place.len(), needed: body.len() });
        }
        dst[place][..body.len()].copy_from_slice(&body);
        sizes.push(body.len());
    }
    let len = close(&mut dst, &places, &sizes)?;
    dst.truncate(len);
    Ok(dst)
}

fn unpack(packed: &[u8], capacity: usize) -> Result<Vec<u8>, Wrong> {
    let mut dst = vec![0x55; capacity];
    let parts = parse(packed)?;
    let room = room(capacity, parts.num())?;
    let mut sizes = Vec::new();
    for (part, place) in parts.iter().zip(room.iter()) {
        let plain = &packed[part][1..];
        if plain.len() > place.len() {
            return Err(Wrong::Room { capacity: place.len(), needed: plain.len() });
        }
        dst[place][..plain.len()].copy_from_slice(plain);
        sizes.push(plain.len());
    }
    let len = join(&mut dst, &room, &sizes)?;
    dst.truncate(len);
    Ok(dst)
}

#[test]
fn whatever_goes_in_comes_out_for_every_number_of_parts() {
    let mut dice = Dice(7);
    for num in 1..=MAX_PARTS {
        for len in [num, num + 1, 4095, 4096, 4096 + num / 2, 65536] {
            let src: Vec<u8> = (0..len).map(|_| dice.roll(256) as u8).collect();
            let packed = pack(&src, num, 2 * len + num * (ENTRY + 2)).unwrap();
            assert_eq!(packed.len(), len + num * (ENTRY + 1));
            for more in [0, 1, num - 1, 1000] {
                assert_eq!(unpack(&packed, len + more).unwrap(), src, "{num} parts of {len} bytes in {more} more");
            }
        }
    }
}

#[test]
fn the_parts_are_those_of_the_rfc_where_its_division_leaves_nothing() {
    let parts = split(65536, 8).unwrap();
    assert!(parts.iter().enumerate().all(|(i, part)| part == (i * 65536 / 8..(i + 1) * 65536 / 8)));
    let parts = split(10, 4).unwrap();
    assert_eq!(parts.iter().collect::<Vec<_>>(), [0..3, 3..6, 6..8, 8..10]);
}

#[test]
fn a_container_is_a_table_and_bodies() {
    let packed = pack(b"abcdef", 3, 64).unwrap();
    let numbers: Vec<u32> = packed[..12].chunks(4).map(|n| u32::from_ne_bytes(n.try_into().unwrap())).collect();
    assert_eq!(numbers, [3, 15, 18]);
    assert_eq!(&packed[12..], b"\xbdab\xbdcd\xbdef");
    let one = pack(b"abc", 1, 64).unwrap();
    assert_eq!(one, [&1u32.to_ne_bytes()[..], b"\xbdabc"].concat());
}

#[test]
fn numbers_of_parts_are_checked_before_they_divide() {
    for num in [0u32, 65, 1 << 16, u32::MAX] {
        let mut data = vec![0xff; 1000];
        data[..4].copy_from_slice(&num.to_ne_bytes());
        assert_eq!(parse(&data), Err(Wrong::Parts { num: num.into() }));
        assert_eq!(split(4096, num as usize), Err(Wrong::Parts { num: num.into() }));
        assert_eq!(places(4096, num as usize), Err(Wrong::Parts { num: num.into() }));
        assert_eq!(room(4096, num as usize), Err(Wrong::Parts { num: num.into() }));
        assert!(names(num as usize).is_err());
    }
    assert_eq!(names(8).unwrap(), ("deflate-canned-by_8".into(), "deflate-iaa-canned-by_8".into()));
}

#[test]
fn damaged_tables_are_refused() {
    let container = |offsets: &[u32], len: usize| {
        let mut data: Vec<u8> = offsets.iter().flat_map(|n| n.to_ne_bytes()).collect();
        data.resize(len, 0);
        parse(&data)
    };
    for (offsets, len) in [
        (&[][..], 0),
        (&[], 3),
        (&[1], 4),     // no body
        (&[4, 20], 8), // ends in the table
        (&[2, 8], 20), // an empty first body
        (&[2, 4], 20), // begins in the table
        (&[2, 0], 20),
        (&[2, 20], 20), // an empty last body
        (&[2, 21], 20), // beyond the end
        (&[2, u32::MAX], 20),
        (&[3, 14, 14], 20), // does not ascend
        (&[3, 16, 14], 20),
        (&[64, 300], 319),
    ] {
        assert!(container(offsets, len).is_err(), "{offsets:?} in {len}");
    }
    assert_eq!(container(&[3, 14, 16], 20).unwrap().iter().collect::<Vec<_>>(), [12..14, 14..16, 16..20]);
}

#[test]
fn any_bytes_give_parts_inside_them_or_an_error() {
    let mut dice = Dice(99);
    let mut good = 0;
    for round in 0..200_000 {
        let len = dice.roll(if round % 2 == 0 { 40 } else { 600 });
        let mut data: Vec<u8> = (0..len).map(|_| dice.roll(256) as u8).collect();
        let num = dice.roll(if round % 4 == 0 { 70 } else { 6 });
        for (index, entry) in data.chunks_exact_mut(ENTRY).enumerate().take(num.max(1)) {
            // Mostly plausible, so that the checks behind the first are met too.
            let value = if index == 0 { num } else { num * ENTRY + index * (len / num.max(1)).max(1) + dice.roll(3) };
            entry.copy_from_slice(&(value as u32).to_ne_bytes());
        }
        if let Ok(parts) = parse(&data) {
            good += 1;
            let mut at = parts.num() * ENTRY;
            for part in parts.iter() {
                assert_eq!(part.start, at);
                assert!(part.end > part.start && part.end <= len);
                at = part.end;
            }
            assert_eq!(at, len);
        }
    }
    assert!(good > 1000, "{good}");
}

#[test]
fn sizes_that_a_device_could_not_have_written_are_refused() {
    let mut dice = Dice(3);
    for _ in 0..20_000 {
        let (capacity, num) = (dice.roll(500), dice.roll(66));
        let Ok(places) = places(capacity, num) else { continue };
        let sizes: Vec<usize> = (0..num + dice.roll(20) / 19).map(|_| dice.roll(capacity * 2 / num + 2)).collect();
        let fits =
            sizes.len() == num && sizes.iter().zip(places.iter()).all(|(size, place)| (1..=place.len()).contains(size));
        let mut dst = vec![0; capacity];
        assert_eq!(close(&mut dst, &places, &sizes).is_ok(), fits, "{sizes:?} {places:?}");
        if fits {
            let len = num * ENTRY + sizes.iter().sum::<usize>();
            assert_eq!(parse(&dst[..len]).unwrap().iter().map(|part| part.len()).collect::<Vec<_>>(), sizes);
        }
        let room = room(capacity, num).unwrap();
        let _ = join(&mut dst, &room, &sizes);
        let _ = join(&mut dst[..capacity / 2], &room, &[usize::MAX; 64]);
    }
}

#[test]
fn what_cannot_be_split_or_counted_is_refused() {
    assert_eq!(split(3, 4), Err(Wrong::Empty { len: 3, num: 4 }));
    assert_eq!(split(1 << 32, 4), Err(Wrong::Long { len: 1 << 32 }));
    assert_eq!(places(39, 8), Err(Wrong::Room { capacity: 39, needed: 40 }));
    assert!(places(40, 8).is_ok());
    assert!(pack(&[7; 100], 8, 60).is_err());
}

#[test]
fn places_never_overlap_and_never_leave_the_buffer() {
    for num in 1..=MAX_PARTS {
        for capacity in [num * 5, num * 5 + 1, 4096, 8191, 1 << 33] {
            let places = places(capacity, num).unwrap();
            let mut at = num * ENTRY;
            for place in places.iter() {
                assert_eq!(place.start, at);
                at = place.end;
            }
            assert!(at <= capacity);
        }
    }
}
