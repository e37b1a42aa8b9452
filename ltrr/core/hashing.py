"""Hashes for samples, folds, buckets and pseudonyms; every machine and process gets the same."""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

import numpy as np

from ltrr.arrays import Bytes, Longs, Unsigned64

USER_FOLDS = 100
ANONYMOUS = "~"
"""First character of the `user_key` of a search without a user; no user's key begins with it."""


def _digest(parts: tuple[str | int, ...]) -> int:
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def unit_interval(*parts: str | int) -> float:
    """A number in [0, 1) computed from the parts; uniform over distinct parts (BLAKE2b, 53 bits).

    >>> unit_interval("impression-1", "plan") == unit_interval("impression-1", "plan")
    True
    >>> 0.49 < sum(unit_interval("mean", n) for n in range(10_000)) / 10_000 < 0.51
    True
    """
    return (_digest(parts) >> 11) / float(1 << 53)


def bucket(key: str, buckets: int) -> int:
    """The bucket of a key, 0-based, out of `buckets`.

    >>> {bucket("the matrix", 1), bucket("love", 1)}
    {0}
    >>> sorted({bucket(f"query {n}", 4) for n in range(50)})
    [0, 1, 2, 3]
    """
    return _digest((key,)) % buckets


def query_fold(key: str, folds: int) -> int:
    """The fold of a query_key, 0-based: models of values for its queries are trained without them.

    >>> query_fold("love", 2) == query_fold("love", 2)
    True
    >>> {query_fold(f"query {n}", 3) for n in range(50)} == {0, 1, 2}
    True
    """
    return _digest(("query_fold", key)) % folds


def user_key(secret: str, user: str) -> str:
    """The pseudonym under which a user appears in tables: HMAC-SHA256, first 32 hex digits.

    Without the secret, a key cannot be computed from a known user id, as a plain hash could.

    >>> user_key("a secret", "user-1") == user_key("another", "user-1")
    False
    >>> len(user_key("a secret", "user-1"))
    32
    """
    keyed = _keyed(secret).copy()
    keyed.update(user.encode("utf-8", "surrogatepass"))
    return keyed.hexdigest()[:32]


@lru_cache(maxsize=1)
def _keyed(secret: str) -> hmac.HMAC:
    """The state before a message; to copy it takes half the time of a new one."""
    return hmac.new(secret.encode("utf-8"), digestmod=hashlib.sha256)


def user_fold(key: str) -> int:
    """The fold of a user, 0..99, always the same, so no user is in both training and evaluation.

    Args:
        key: A `user_key`, never the user id itself.

    >>> {user_fold(user_key("a secret", f"user-{n}")) for n in range(5_000)} == set(range(100))
    True
    """
    return _digest(("user_fold", key)) % USER_FOLDS


def xxhash64(data: Bytes, offsets: Longs) -> Longs:
    """Spark's `xxhash64` (seed 42) of N texts, [N]; texts of equal length are hashed together.

    Collet, "XXH64", https://xxhash.com (the specification).

    Args:
        data: Bytes of all texts, one after the other.
        offsets: Text n is data[offsets[n] : offsets[n + 1]], [N + 1].

    >>> data = np.frombuffer(b"u1Spark", dtype=np.uint8)
    >>> xxhash64(data, np.array([0, 2, 7])).tolist()
    [-5294616631767451713, -4294468057691064905]
    """
    lengths = np.diff(offsets)
    hashes = np.zeros(len(lengths), dtype=np.uint64)
    for length in np.unique(lengths).tolist():
        here = np.flatnonzero(lengths == length)
        hashes[here] = _xxhash64(data[offsets[here][:, None] + np.arange(length)])
    return hashes.view(np.int64)


_SEED = 42
_PRIMES = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
_P1, _P2, _P3, _P4, _P5 = map(np.uint64, _PRIMES)


def _xxhash64(texts: Bytes) -> Unsigned64:
    """Hashes of N texts of equal length, given as [N, length]; arithmetic modulo 2^64."""
    count, length = texts.shape
    words = np.ascontiguousarray(texts[:, : length // 8 * 8]).view("<u8")
    done = length // 32 * 4
    hashes = _filled(count, _SEED + _PRIMES[4])
    if done:
        first, second = _PRIMES[:2]
        lanes = [_filled(count, seed) for seed in (_SEED + first + second, _SEED + second, _SEED, _SEED - first)]
        for word in range(0, done, 4):
            lanes = [_round(lane, words[:, word + n]) for n, lane in enumerate(lanes)]
        hashes = _filled(count, 0)
        for lane, bits in zip(lanes, (1, 7, 12, 18), strict=True):
            hashes += _rotated(lane, bits)
        for lane in lanes:
            hashes = (hashes ^ _round(_filled(count, 0), lane)) * _P1 + _P4
    hashes += np.uint64(length)
    for word in range(done, length // 8):
        hashes = _rotated(hashes ^ _round(_filled(count, 0), words[:, word]), 27) * _P1 + _P4
    place = length // 8 * 8
    if length - place >= 4:
        half = np.ascontiguousarray(texts[:, place : place + 4]).view("<u4")[:, 0].astype(np.uint64)
        hashes = _rotated(hashes ^ (half * _P1), 23) * _P2 + _P3
        place += 4
    for byte in texts[:, place:].T.astype(np.uint64):
        hashes = _rotated(hashes ^ (byte * _P5), 11) * _P1
    hashes = (hashes ^ (hashes >> np.uint64(33))) * _P2
    hashes = (hashes ^ (hashes >> np.uint64(29))) * _P3
    return np.asarray(hashes ^ (hashes >> np.uint64(32)), dtype=np.uint64)


def _filled(count: int, value: int) -> Unsigned64:
    return np.full(count, value % (1 << 64), dtype=np.uint64)


def _round(lane: Unsigned64, word: Unsigned64) -> Unsigned64:
    return _rotated(lane + word * _P2, 31) * _P1


def _rotated(values: Unsigned64, bits: int) -> Unsigned64:
    return np.asarray((values << np.uint64(bits)) | (values >> np.uint64(64 - bits)), dtype=np.uint64)
