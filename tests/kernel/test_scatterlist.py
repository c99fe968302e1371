"""Lists of buffers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.kernel.codecs import cut, entries

import acrypto
from acrypto.kernel import (
    EINVAL,
    Scatterlist,
    sg_init_one,
    sg_last,
    sg_mark_end,
    sg_nents,
    sg_nents_for_len,
    sg_pcopy_from_buffer,
    sg_pcopy_to_buffer,
    sg_set_buf,
    sg_unmark_end,
    sg_zero_buffer,
    sgl_alloc,
    sgl_free,
)
from acrypto.kernel.scatterlist import as_scatterlist, gather, size, windows, writable

PLACES = st.lists(st.integers(0, 200), max_size=8)


@given(data=st.binary(min_size=200, max_size=200), places=PLACES, skip=st.integers(0, 220), length=st.integers(0, 220))
def test_copies_are_slices(data: bytes, places: list[int], skip: int, length: int) -> None:
    """Copying out of a list, in, and zeroing it is slicing the flat bytes, however the list is cut."""
    sg = cut(data, places)
    out = bytearray(220)
    nents = sg_nents(sg)
    done = sg_pcopy_to_buffer(sg, nents, out, length, skip)
    assert out[:done] == data[skip : skip + length]
    assert gather(sg, length, skip) == data[skip : skip + length]
    memory, flat = bytearray(200), bytearray(200)
    assert sg_pcopy_from_buffer(cut(memory, places), nents, out, done, skip) == done
    flat[skip : skip + done] = out[:done]
    assert memory == flat[:200]
    assert sg_zero_buffer(cut(memory, places), nents, length, skip) == done
    assert memory == bytes(200)


@given(places=PLACES, length=st.integers(0, 210))
def test_nents_for_len(places: list[int], length: int) -> None:
    """So many entries, and not one less, hold the length; -EINVAL if all of them do not."""
    sg = cut(bytes(200), places)
    count = sg_nents_for_len(sg, length)
    if length > 200:
        assert count == -EINVAL
    else:
        held = [sum(entry.length for entry in list(sg)[:n]) for n in range(sg_nents(sg) + 1)]
        assert held[count] >= length
        assert count == 0 or held[count - 1] < length


def test_a_list_ends_at_its_mark() -> None:
    """What lies behind the marked entry does not belong to the list."""
    sg = entries(b"ab", b"cd", b"ef")
    assert (sg_nents(sg), size(sg)) == (3, 6)
    sg_mark_end(sg[1])
    assert (sg_nents(sg), gather(sg, 10)) == (2, b"abcd")
    assert sg_last(sg) is sg[1]
    sg_unmark_end(sg[1])
    assert gather(sg, 10) == b"abcdef"


def test_nothing_is_copied() -> None:
    """Entries are windows: writing to one writes to the buffer."""
    buffer = bytearray(b"abcdef")
    sg = Scatterlist(1)
    sg_init_one(sg, buffer, 4)
    [window] = windows(sg, 4)
    window[:] = b"ABCD"
    assert buffer == b"ABCDef"


@pytest.mark.parametrize(
    ("given_", "flat"),
    [
        (b"abc", b"abc"), ([b"a", b"", b"bc"], b"abc"), ((b"a", bytearray(b"bc")), b"abc"), ([], b""), (b"", b""),
        (memoryview(b"abcdef")[::1], b"abcdef"),
    ],
)  # fmt: skip
def test_what_stands_for_a_list(given_: object, flat: bytes) -> None:
    """Buffers, and lists and tuples of them, do."""
    sg = as_scatterlist(given_)
    assert sg is not None
    assert gather(sg, 100) == flat
    assert as_scatterlist(sg) is sg
    assert as_scatterlist(None) is None


def test_one_entry_stands_for_a_list() -> None:
    """An entry does if it is the last of its list."""
    sg = entries(b"ab", b"cd")
    assert gather(as_scatterlist(sg[1]), 9) == b"cd"
    with pytest.raises(acrypto.UsageError, match="end"):
        as_scatterlist(sg[0])


def test_writable() -> None:
    """One read-only entry with bytes spoils a destination."""
    assert writable(entries(bytearray(2), b""))
    assert not writable(entries(bytearray(2), b"x"))


def test_allocated_lists_are_of_pages() -> None:
    """New memory comes in whole pages and a rest."""
    sg = sgl_alloc(10_000)
    assert [entry.length for entry in sg] == [4096, 4096, 1808]
    sgl_free(sg)
    assert size(sg) == 0


@pytest.mark.parametrize("wrong", [lambda: Scatterlist(0), lambda: sg_set_buf(Scatterlist(1)[0], b"abc", 4)])
def test_misuse(wrong: object) -> None:
    """Empty tables and entries beyond their buffer are refused."""
    with pytest.raises(acrypto.UsageError):
        wrong()
    assert "3 bytes" in repr(entries(b"abc"))
    assert "last" in repr(entries(b"abc")[0])
