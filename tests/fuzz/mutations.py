"""Good input, damaged: what gets deeper into a parser than noise does."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

# Bytes on which parsers turn: ends, lengths, signs, what begins or ends something.
_SHARP = (
    b"\0", b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"=", b"/", b"..", b"../", b"%00", b"0", b"-1", b"{", b"}", b"[", b"]",
    b"0000", b"0001", b"0003", b"0004", b"fff0", b"ffff", b"7fffffffffffffff", b"ffffffffffffffff", b"18446744073709551616",
    b"chunked", b"Content-Length: 1\r\n", b"PACK\0\0\0\2", b"refs/heads/", b"'", b"\\", b"\x7f", b"\x80", b"\xff\xfe",
    b"\xc0\xaf", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\x1b[2J", b'"',
)  # fmt: skip
_EDITS_AT_MOST = 6

edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "insert", "remove", "repeat", "move", "cut", "sharpen"]),
        st.integers(0, 1 << 20), st.integers(0, 1 << 12), st.binary(max_size=12), st.sampled_from(_SHARP),
    ),
    max_size=_EDITS_AT_MOST,
)  # fmt: skip


def damaged(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """One of the seeds with up to six damages, and now and then mere noise."""
    return st.one_of(st.builds(_damage, st.sampled_from(list(seeds)), edits), st.binary(max_size=400))


def _damage(seed: bytes, chosen: list[tuple[str, int, int, bytes, bytes]]) -> bytes:
    data = seed
    for kind, place, length, noise, sharp in chosen:
        at = place % (len(data) + 1)
        end = min(len(data), at + 1 + length % 64)
        match kind:
            case "flip":
                data = data[:at] + bytes(byte ^ (1 << length % 8) for byte in data[at : at + 1]) + data[at + 1 :]
            case "insert":
                data = data[:at] + noise + data[at:]
            case "remove":
                data = data[:at] + data[end:]
            case "repeat":
                data = data[:end] + data[at:end] * (1 + length % 5) + data[end:]
            case "move":
                piece = data[at:end]
                data = piece + data[:at] + data[end:]
            case "cut":
                data = data[:at]
            case _:
                data = data[:at] + sharp + data[end if length % 2 else at :]
    return data
