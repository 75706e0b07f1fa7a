"""The arithmetic of the seals: digests of rows, their tree, and the chain. Pure, and small enough to redo elsewhere."""

import hashlib
from collections.abc import Sequence

# Before each digest stands what it is of, so that a row can never be passed off as a node or a seal (RFC 6962 §2.1).
_LEAF, _NODE, _SEAL = b"\x00", b"\x01", b"\x02"
GENESIS = bytes(32)  # what the first seal follows


def leaf(data: bytes) -> bytes:
    """The digest of one row."""
    return hashlib.sha256(_LEAF + data).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of RFC 6962 §2.1 over digests of rows; of none, the digest of nothing.

    Pairing level by level, with the odd one out handed up, gives the tree that the RFC defines by halving.
    """
    level = list(leaves)
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[-1:] if len(level) % 2 else []
        level = [hashlib.sha256(_NODE + left + right).digest() for left, right in pairs] + odd
    return level[0] if level else hashlib.sha256().digest()


def seal(previous: bytes, tree: bytes, *facts: int) -> bytes:
    """The hash of a seal over the one before, its root and its facts, each fact as eight bytes, the highest first."""
    number, *others = (fact.to_bytes(8, "big", signed=True) for fact in facts)
    return hashlib.sha256(_SEAL + number + previous + tree + b"".join(others)).digest()
