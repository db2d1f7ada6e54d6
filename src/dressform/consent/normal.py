"""One spelling for many: what a text says once its disguises are taken off.

In order: length, NFKC, invisible characters out, accents off (Japanese voicing marks stay), small letters, look-alike
letters, hiragana to katakana, kanji numbers before an age, then variants: digits read as letters, single letters joined.
"""

from __future__ import annotations

import re
import unicodedata

LENGTH_LIMIT = 4000
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁԛһӏνοαερτικυωβӓëɡɩⅼǀ|",
    "aeopcyxijsdqhlvoaeptikuwbaegilll",
)  # Cyrillic, Greek and others that are drawn like Latin letters
_LEET = str.maketrans("013457@$!", "oieastasi")
_LEET_L = str.maketrans("013457@$!", "oleastasl")
_KANJI = {c: i for i, c in enumerate("〇一二三四五六七八九")}
_KANJI_AGE = re.compile(r"([〇一二三四五六七八九十]{1,4})(?=\s*(?:[歳才]|さい(?!ず)|サイ(?!ズ)))")
_DOTTED = re.compile(r"(?<=[^\x00-\x2f\x3a-\x7f])[・·•]+(?=[^\x00-\x2f\x3a-\x7f])")
_PART = re.compile("(?<=[0-9])[½⅓⅔¼¾]")  # of a year; NFKC would make one number of both
_SPELT_OUT = re.compile(r"(?<![a-z0-9])(?:[a-z0-9][\s._*\-]+){2,}[a-z0-9](?![a-z0-9])")
_HIDDEN = ("Cc", "Cf", "Co", "Cs", "Cn")
_VOICING = ("\u3099", "\u309a")


def visible(text: str) -> str:
    """The text without what a reader cannot see: control and direction characters, halves of pairs; lines end in ``\\n``."""
    lines = re.sub(r"\r\n?|[\u2028\u2029]", "\n", text).replace("\t", " ")
    return "".join(c for c in lines if c == "\n" or unicodedata.category(c) not in _HIDDEN)


def plain(text: str) -> str:
    """The text with its disguises off, punctuation of ASCII as spaces."""
    text = unicodedata.normalize("NFKC", _PART.sub("", text[:LENGTH_LIMIT]))
    text = "".join(c for c in text if unicodedata.category(c) not in ("Cf", "Cc", "Mn", "Co", "Cn") or c in "\n\t ")
    split = unicodedata.normalize("NFD", text)
    text = unicodedata.normalize("NFC", "".join(c for c in split if not unicodedata.combining(c) or c in _VOICING))
    text = _DOTTED.sub("", text.casefold().translate(_LOOKALIKES))
    return _KANJI_AGE.sub(lambda m: str(_kanji_number(m[1])), text)


def katakana(text: str) -> str:
    """Hiragana as katakana, spaces and dots between Japanese letters gone."""
    folded = "".join(chr(ord(c) + 0x60) if "ぁ" <= c <= "ゖ" else c for c in text)
    return re.sub(r"(?<=[^\x00-\x7f])[\s._*・\-]+(?=[^\x00-\x7f])", "", folded)


def words(text: str) -> str:
    """ASCII words separated by single spaces, with a space at both ends."""
    return f" {' '.join(re.findall('[a-z0-9]+', text.replace(chr(39), '')))} "


def variants(text: str) -> tuple[str, ...]:
    """``words`` of the text as it stands, and with digits as letters and spelt-out words joined."""
    joined = _SPELT_OUT.sub(lambda m: _joined(m[0]), text)
    found = [words(text), words(joined)]
    found += [words(letters(v, table)) for table in (_LEET, _LEET_L) for v in (text, joined)]
    stars = re.sub(r"(?<=[a-z])[*._\-]+(?=[a-z])", "", text)
    found += [words(stars), *(words(re.sub(r"(.)\1{2,}", once, text)) for once in (r"\1", r"\1\1"))]
    return tuple(dict.fromkeys(found))


def _joined(spelt: str) -> str:
    """Single letters as one word; and without the first, which may be the article before it."""
    word = re.sub(r"[\s._*\-]+", "", spelt)
    return f"{word} {word[1:]} {word[:-1]}"


def letters(text: str, table: dict[int, int] = _LEET) -> str:
    """Digits and signs as the letters they stand for, in words that have a letter."""
    return re.sub(r"\S+", lambda m: m[0].translate(table) if re.search("[a-z]", m[0]) else m[0], text)


def _kanji_number(text: str) -> int:
    if "十" not in text:
        return int("".join(str(_KANJI[c]) for c in text))
    tens, _, ones = text.partition("十")
    return 10 * (_KANJI.get(tens, 1) if tens else 1) + (_KANJI.get(ones, 0) if ones else 0)
