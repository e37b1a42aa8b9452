"""Hashes that agree on every machine and in every process: samples, folds, buckets and pseudonyms."""

from __future__ import annotations

import hashlib
import hmac

USER_FOLDS = 100


def _digest(parts: tuple[str | int, ...]) -> int:
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def unit_interval(*parts: str | int) -> float:
    """A number in [0, 1) that depends on the parts alone; uniform over distinct parts (BLAKE2b, 53 bits).

    >>> unit_interval("impression-1", "plan") == unit_interval("impression-1", "plan")
    True
    >>> 0.49 < sum(unit_interval("mean", n) for n in range(10_000)) / 10_000 < 0.51
    True
    """
    return (_digest(parts) >> 11) / float(1 << 53)


def bucket(key: str, buckets: int) -> int:
    """Which of `buckets` parts holds this key, 0-based.

    >>> {bucket("the matrix", 1), bucket("love", 1)}
    {0}
    >>> sorted({bucket(f"query {n}", 4) for n in range(50)})
    [0, 1, 2, 3]
    """
    return _digest((key,)) % buckets


def query_fold(key: str, folds: int) -> int:
    """The fold of a query_key, 0-based: models of values that are asked about it were trained without it.

    >>> query_fold("love", 2) == query_fold("love", 2), {query_fold(f"query {n}", 3) for n in range(50)} == {0, 1, 2}
    (True, True)
    """
    return _digest(("query_fold", key)) % folds


def user_key(secret: str, user: str) -> str:
    """The pseudonym under which a user appears in tables: HMAC-SHA256, first 32 hex digits.

    Without the secret nobody can go from a known user to the key (a plain hash could be tried user by user).

    >>> user_key("a secret", "user-1") == user_key("a secret", "user-1") != user_key("another", "user-1")
    True
    >>> len(user_key("a secret", "user-1"))
    32
    """
    message = user.encode("utf-8", "surrogatepass")
    return hmac.new(secret.encode("utf-8"), message, hashlib.sha256).hexdigest()[:32]


def user_fold(key: str) -> int:
    """The fold of a user, 0..99; a user is in one fold for ever, so that no judge has seen the evidence.

    Args:
        key: a `user_key`, never the user itself.

    >>> {user_fold(user_key("a secret", f"user-{n}")) for n in range(5_000)} == set(range(100))
    True
    """
    return _digest(("user_fold", key)) % USER_FOLDS
