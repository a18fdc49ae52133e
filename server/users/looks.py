"""What a name looks like to an eye in a hurry, so that nobody passes for somebody else."""

import unicodedata
from functools import cache

from confusable_homoglyphs import confusables


def look(name: str) -> str:
    """Give what is left of a name once letters that look alike are the same letter.

    Of an ASCII name it is what `store.LOOK_OF_USERNAME` makes of it in the database.
    """
    plain = unicodedata.normalize("NFKD", name)
    latin = "".join(_latin(c) for c in plain if not unicodedata.combining(c))
    kept = "".join(c for c in latin.lower() if c.isalnum() or c == "_")
    folded = kept.translate(_ALIKE)
    return folded.replace("rn", "m").replace("vv", "w")


_ALIKE = str.maketrans("i10", "llo")


@cache
def _latin(character: str) -> str:
    """The ASCII letter or digit that a character can be taken for, or the character itself."""
    if character.isascii():
        return character
    for twin in confusables.confusables_data.get(character, ()):
        taken_for = str(twin["c"])
        if taken_for.isascii() and taken_for.isalnum():
            return taken_for
    return character
