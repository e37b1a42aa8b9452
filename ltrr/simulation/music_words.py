"""Words of the music world: themes, genres, syllables of names.

Users search with other words (`asked`) than the catalogue uses (`described`), so semantic search
can find entities that lexical search cannot. All kinds of entity share title words (`words`), so
"love" matches tracks, albums and playlists.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Theme of a piece of music or a programme.

    Attributes:
        name: Name of the theme.
        words: Words of titles.
        described: Wording in descriptions.
        asked: Wordings of users who do not know a title.
    """

    name: str
    words: tuple[str, ...]
    described: str
    asked: tuple[str, ...]


THEMES = (
    Theme(
        "love",
        ("love", "heart", "kiss", "darling", "forever"),
        "devotion and tenderness between two people",
        ("romantic songs", "music for a wedding dance", "songs for my girlfriend"),
    ),
    Theme(
        "heartbreak",
        ("goodbye", "tears", "broken", "lonely", "ghost"),
        "the end of a relationship and missing someone",
        ("sad songs after a breakup", "music to cry to", "songs about getting over an ex"),
    ),
    Theme(
        "sleep",
        ("dream", "lullaby", "hush", "pillow", "drift"),
        "calm and slow, made for resting at bedtime",
        ("music to fall asleep to", "relaxing bedtime songs", "quiet songs for insomnia"),
    ),
    Theme(
        "workout",
        ("power", "run", "sweat", "stronger", "push"),
        "fast and hard, made for training",
        ("gym songs", "music for running", "songs for lifting weights"),
    ),
    Theme(
        "party",
        ("party", "dance", "tonight", "club", "floor"),
        "loud and festive, made for celebrating with friends",
        ("songs for a birthday", "music for a house party", "upbeat dancing tunes"),
    ),
    Theme(
        "rain",
        ("rain", "storm", "thunder", "cloud", "umbrella"),
        "bad weather and a wet afternoon",
        ("songs for a gloomy day", "cosy music for bad weather"),
    ),
    Theme(
        "summer",
        ("summer", "sun", "beach", "wave", "heat"),
        "warm holidays by the sea",
        ("songs for the pool", "vacation music", "tropical holiday tunes"),
    ),
    Theme(
        "winter",
        ("snow", "winter", "bells", "frost", "fireplace"),
        "cold days and the season of gifts",
        ("christmas carols", "holiday music for december", "songs for skiing"),
    ),
    Theme(
        "road",
        ("road", "highway", "drive", "miles", "wheels"),
        "travelling far and leaving town",
        ("songs for a long car trip", "music for travelling", "trucker songs"),
    ),
    Theme(
        "city",
        ("city", "street", "neon", "downtown", "lights"),
        "urban life after work",
        ("songs about new york", "music about urban life"),
    ),
    Theme(
        "focus",
        ("focus", "still", "piano", "paper", "quiet"),
        "instrumental and even, made for concentrating",
        ("music for studying", "background music for homework", "concentration music for work"),
    ),
    Theme(
        "children",
        ("little", "toys", "teddy", "rainbow", "puppy"),
        "simple and cheerful, made for the very young",
        ("songs for toddlers", "kids music", "nursery rhymes"),
    ),
    Theme(
        "freedom",
        ("free", "fly", "wings", "sky", "rise"),
        "leaving everything behind and being independent",
        ("empowering songs", "music about being independent"),
    ),
    Theme(
        "war",
        ("soldier", "war", "march", "flag", "peace"),
        "battle, and those who refuse it",
        ("anti war protest songs", "music about the military"),
    ),
    Theme(
        "faith",
        ("angel", "heaven", "pray", "glory", "grace"),
        "devotional and spiritual",
        ("gospel worship music", "church songs", "christian music"),
    ),
    Theme(
        "money",
        ("money", "gold", "diamond", "cash", "king"),
        "riches and showing them",
        ("songs about getting rich", "music about luxury"),
    ),
    Theme(
        "night",
        ("night", "midnight", "shadow", "moon", "dark"),
        "late hours and being awake in them",
        ("late night listening", "music for after dark"),
    ),
    Theme(
        "morning",
        ("morning", "sunrise", "coffee", "dawn", "wake"),
        "gentle and bright, for the start of a day",
        ("songs to wake up to", "breakfast music"),
    ),
    Theme(
        "home",
        ("home", "river", "mother", "mountain", "country"),
        "family, childhood and the place one comes from",
        ("songs about family", "music that feels nostalgic"),
    ),
    Theme(
        "space",
        ("space", "rocket", "star", "orbit", "gravity"),
        "the universe and machines that go there",
        ("songs about astronauts", "futuristic music"),
    ),
    Theme(
        "crime",
        ("murder", "case", "evidence", "detective", "alibi"),
        "unsolved killings and how police work on them",
        ("true crime stories", "shows about serial killers"),
    ),
    Theme(
        "science",
        ("atom", "brain", "planet", "gene", "lab"),
        "researchers explain what they find out",
        ("learn about biology", "shows about physics"),
    ),
    Theme(
        "history",
        ("empire", "century", "queen", "ruins", "crown"),
        "people and events of the past",
        ("learn about ancient rome", "shows about world war two"),
    ),
    Theme(
        "sport",
        ("goal", "match", "league", "coach", "trophy"),
        "teams, players and results",
        ("football talk", "basketball news", "shows about soccer"),
    ),
    Theme(
        "business",
        ("market", "startup", "office", "profit", "boss"),
        "companies, investing and careers",
        ("learn about investing", "shows for entrepreneurs"),
    ),
    Theme(
        "comedy",
        ("laugh", "joke", "clown", "awkward", "banana"),
        "funny people make fun of things",
        ("stand up humor", "hilarious shows"),
    ),
)

SPOKEN = ("crime", "science", "history", "sport", "business", "comedy")
"""Themes of podcasts; all others are of music."""

GENRES = (
    "pop",
    "rock",
    "hip hop",
    "jazz",
    "classical",
    "electronic",
    "country",
    "soul",
    "metal",
    "folk",
    "latin",
    "reggae",
    "blues",
    "indie",
)

ADJECTIVES = (
    "silver",
    "wild",
    "electric",
    "golden",
    "velvet",
    "crooked",
    "paper",
    "hollow",
    "scarlet",
    "northern",
    "burning",
    "lost",
    "young",
    "secret",
    "distant",
    "blue",
)

BAND_NOUNS = (
    "foxes",
    "engines",
    "wolves",
    "mirrors",
    "sailors",
    "lanterns",
    "pilots",
    "sparrows",
    "ghosts",
    "arrows",
    "giants",
    "riders",
    "saints",
    "tigers",
    "rivers",
    "kings",
)

NAME_SYLLABLES = (
    "ma",
    "ri",
    "lo",
    "ven",
    "ka",
    "dor",
    "el",
    "ti",
    "sa",
    "bren",
    "jo",
    "nas",
    "mi",
    "ral",
    "thea",
    "quin",
    "os",
    "lin",
    "dra",
    "fel",
    "ha",
    "zor",
    "pe",
    "lan",
    "vi",
    "cas",
)
