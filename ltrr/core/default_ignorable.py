"""Code points that a text shows as nothing: the Unicode property Default_Ignorable_Code_Point.

Soft hyphen, joiners, marks of direction, variation selectors, tags, fillers and reserved code
points. `unicodedata` does not have the property, so its ranges are listed here. The source is
DerivedCoreProperties.txt of Unicode 16.0.0; the ranges are the same in 14.0.0 to 16.0.0. Reserved
code points have the property before they are assigned, so a later version rarely changes them.
"""

from __future__ import annotations

UNICODE_VERSION = "16.0.0"
"""Version of the Unicode Character Database that the ranges are taken from."""

DEFAULT_IGNORABLE = (
    (0x00AD, 0x00AD),  # Soft hyphen.
    (0x034F, 0x034F),  # Combining grapheme joiner.
    (0x061C, 0x061C),  # Arabic letter mark.
    (0x115F, 0x1160),  # Hangul fillers.
    (0x17B4, 0x17B5),  # Khmer inherent vowels.
    (0x180B, 0x180F),  # Mongolian variation selectors and vowel separator.
    (0x200B, 0x200F),  # Zero-width space, joiners, marks of direction.
    (0x202A, 0x202E),  # Embeddings and overrides of direction.
    (0x2060, 0x206F),  # Word joiner, invisible operators, isolates of direction.
    (0x3164, 0x3164),  # Hangul filler.
    (0xFE00, 0xFE0F),  # Variation selectors 1 to 16.
    (0xFEFF, 0xFEFF),  # Zero-width no-break space (byte order mark).
    (0xFFA0, 0xFFA0),  # Half-width Hangul filler.
    (0xFFF0, 0xFFF8),  # Reserved.
    (0x1BCA0, 0x1BCA3),  # Shorthand format controls.
    (0x1D173, 0x1D17A),  # Musical format controls.
    (0xE0000, 0xE0FFF),  # Tags, variation selectors 17 to 256, reserved.
)
"""First and last code point of each range, in ascending order."""


def is_default_ignorable(point: int) -> bool:
    """Whether a code point has the property.

    >>> is_default_ignorable(0xFE0F), is_default_ignorable(ord("a"))
    (True, False)
    """
    return any(first <= point <= last for first, last in DEFAULT_IGNORABLE)
