"""Writes the recorded cases of this folder with the reference library.

Needs `pip install tokenizers==0.23.3 unicodedata2==16.0.0` and, in the folder given as argument,
the tokenizer.json of the real vocabulary. Seeds are fixed: the files come out the same.
"""

import json
import os
import random
import sys

import unicodedata2 as unicode
from tokenizers import Tokenizer, normalizers

HERE = os.path.dirname(os.path.abspath(__file__))
SCALARS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
MARKS = [c for c in SCALARS if unicode.combining(c)]
COMPOSED = [c for c in SCALARS if unicode.decomposition(c) and "<" not in unicode.decomposition(c)]
ASSIGNED = [c for c in SCALARS if unicode.category(c) != "Cn"]
SPACES = [chr(c) for c in (9, 10, 11, 12, 13, 32, 0x85, 0xA0, 0x1680, 0x2003, 0x2028, 0x2029,
                           0x202F, 0x205F, 0x3000, 0x180E, 0x200B)]
HANGUL = [chr(c) for c in [*range(0x1100, 0x1200), *range(0xAC00, 0xAC60)]]
CONTRACTIONS = ["'s", "'S", "'t", "'RE", "'ve", "'ll", "'Ll", "'d", "'M", "'\u017f", "'r", "'l",
                "'v", "'", "'\u017fa", " '\u017f"]
WORDS = ("the picture shows a small red bicycle, two (2) dogs & one cat; don't WORRY! "
         "x = [i**2 for i in range(10)] http://example.com/a?b=c").split(" ")


def write(name, value):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as file:
        json.dump(value, file, separators=(",", ":"))


def joined(rng, choices, low, high):
    return "".join(rng.choice(choices) for _ in range(rng.randint(low, high)))


def part(rng, special):
    kind = rng.randrange(13)
    if kind == 0:
        return rng.choice("abcxyzAEIOU") + joined(rng, MARKS, 1, 4)
    if kind == 1:
        return rng.choice(COMPOSED)
    if kind == 2:
        return unicode.normalize("NFD", rng.choice(COMPOSED))
    if kind == 3:
        return joined(rng, SPACES, 1, 4)
    if kind == 4:
        return joined(rng, HANGUL, 1, 4)
    if kind == 5:
        return rng.choice(CONTRACTIONS)
    if kind == 6:
        return rng.choice(special)
    if kind == 7:
        text = rng.choice(special)
        return text[: rng.randint(1, len(text))]
    if kind == 8:
        return " ".join(rng.choice(WORDS) for _ in range(4))
    if kind == 9:
        return joined(rng, ASSIGNED, 3, 3)
    if kind == 10:
        return chr(rng.randint(0x4E00, 0x9FFF)) * rng.randint(1, 3)
    if kind == 11:
        return "".join(chr(rng.randint(33, 126)) for _ in range(rng.randint(1, 6)))
    return str(rng.randint(0, 10**6)) + rng.choice(" .\n\r\n")


def edge_cases(tokenizer):
    rng = random.Random(7)
    special = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    cases = []
    for _ in range(200):
        text = "".join(part(rng, special) for _ in range(rng.randint(1, 8)))
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        cases.append({"text": text, "ids": ids})
    return cases


def canonical_cases():
    """Each decomposition both ways, each mark, random runs of marks, random Hangul."""
    rng = random.Random(11)
    texts = ["q".join(COMPOSED), "q".join(unicode.normalize("NFD", c) for c in COMPOSED),
             "q".join("a" + mark for mark in MARKS),
             "q".join(rng.choice("aeuAOi") + joined(rng, MARKS, 2, 6) for _ in range(400)),
             "q".join(joined(rng, HANGUL, 2, 4) for _ in range(400))]
    composer = normalizers.NFC()
    return [{"text": text, "nfc": composer.normalize_str(text)} for text in texts]


def invalid_utf8(tokenizer):
    """Ids of single bytes that form whole, cut and impossible characters."""
    rng = random.Random(3)
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    entry = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        entry.setdefault(byte, chr(0x100 + len(entry) - len(printable)))
    whole = [b"\xf0\x9f\x98\x80", b"\xe4\xbd\xa0", b"\xc3\xa9", b"a"]
    edges = [0x80, 0xBF, 0xC0, 0xC1, 0xE0, 0x9F, 0xA0, 0xED, 0xF0, 0x8F, 0x90, 0xF4, 0xF5, 0xFF]
    cases = []
    for _ in range(200):
        data = b""
        for _ in range(rng.randint(1, 6)):
            text = rng.choice(whole)
            data += rng.choice([text, text[: rng.randint(1, len(text))],
                                bytes([rng.choice(edges)]), bytes([rng.randrange(256)])])
        ids = [tokenizer.token_to_id(entry[byte]) for byte in data]
        decoded = tokenizer.decode(ids)
        assert decoded == data.decode("utf-8", errors="replace")
        cases.append({"ids": ids, "decoded": decoded})
    return cases


real = Tokenizer.from_file(os.path.join(sys.argv[1], "tokenizer.json"))
tiny = Tokenizer.from_file(os.path.join(HERE, "../tiny/tokenizer.json"))
write("qwen2/edge_cases.json", edge_cases(real))
write("canonical_cases.json", canonical_cases())
write("invalid_utf8.json", invalid_utf8(tiny))
