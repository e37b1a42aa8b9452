"""Ids of users in raw text: a line that cannot be parsed may still name a user.

A faulty line has no user that a rule could read: it may be cut, of a foreign format, or have its
user under another key. Each word of the line that may be an id is turned into the key that it would
have, so that a line of a forgotten user is found without knowing the id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial

import pyarrow as pa
from pyspark.sql import DataFrame

from ltrr.logs.record_rows import Pseudonyms

LONGEST_ID = 1_000
"""Longest word that can be an id of a user, in characters: longer texts are contents."""

WORDS_AT_A_TIME = 10_000
"""Words of a line whose keys are in memory at a time."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_FIELD = re.compile(r"[^,;\t\r\n]+")
_BARE = re.compile(r"[^\s\"'{}\[\]:,;=&]+")


def possible_ids(text: str) -> set[str]:
    r"""Parts of a text that may be an id: quoted strings, fields of a CSV line, and words.

    >>> {"who", "Jane Ä", "Jane", "47"} <= possible_ids('{"who": "Jane \\u00c4", "n": 47')
    True
    >>> sorted(possible_ids("u 1,click"))
    ['1', 'click', 'u', 'u 1']
    """
    quoted = [found[1] for found in _QUOTED.finditer(text)]
    fields = [found[0].strip() for found in _FIELD.finditer(text)]
    words = [*quoted, *map(_unescape, quoted), *fields, *_BARE.findall(text)]
    return {word for word in words if 0 < len(word) <= LONGEST_ID}


def _unescape(quoted: str) -> str:
    """Text of a JSON string; the same characters if it is none."""
    try:
        return str(json.loads(f'"{quoted}"', strict=False))
    except ValueError:
        return quoted


def naming_lines(lines: DataFrame, user_keys: DataFrame, pseudonyms: Pseudonyms) -> DataFrame:
    """Lines that name one of the users, by id or by key: `line_hash`, one row per line.

    The words of a line become rows, which Spark joins with the keys: no task has all keys. A line
    of 10 MB has some million words, each hashed in about 2 microseconds.

    Args:
        lines: `line_hash`, `line` (bytes): faulty lines only, of which a night has few.
        user_keys: `user_key`, one row per user.
        pseudonyms: Conversion of ids to keys.
    """
    words = lines.select("line_hash", "line").mapInArrow(
        partial(_keys_of_words, pseudonyms), "line_hash string, user_key string"
    )
    return words.join(user_keys, on="user_key", how="left_semi").select("line_hash").distinct()


def _keys_of_words(pseudonyms: Pseudonyms, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for line_hash, line in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            words = sorted(possible_ids(bytes(line).decode("utf-8", "replace")))
            for first in range(0, len(words), WORDS_AT_A_TIME):
                some = words[first : first + WORDS_AT_A_TIME]
                keys = [*some, *map(pseudonyms.user, some), *map(pseudonyms.session, some)]
                yield pa.RecordBatch.from_pydict({"line_hash": [line_hash] * len(keys), "user_key": keys})
