"""Which language a text is in: what its source says, unless the words say otherwise."""

from functools import cache
from typing import Any

# A shorter text says too little.
LEAST_TEXT = 60
READ_TEXT = 2000
# Where the source says nothing, and where it says something else.
SURE, SURER = 0.8, 0.98


def of(text: str, told: str | None) -> str | None:
    """Give the language of a text, as a code such as `en`, or as its source told it."""
    if len(text) < LEAST_TEXT:
        return told
    code, certainty = _identifier().classify(text[:READ_TEXT])
    if told is None:
        return str(code) if certainty >= SURE else None
    same = told.partition("-")[0].partition("_")[0].lower() == code
    # Many feeds say what their software said before anyone had written a word.
    return told if same or certainty < SURER else str(code)


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415 - a second to load

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
