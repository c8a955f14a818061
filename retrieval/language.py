"""Which language a text is written in, as two letters (ISO 639-1); empty where it is not certain.

By py3langid, a naive Bayes model over byte sequences that comes with its package; it is loaded
once, when first asked, and takes a tenth of a millisecond for a question. It knows nothing of
programs: a line of code is not certain, a page of it may be taken for anything.
"""

from __future__ import annotations

import re
import threading
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier  # type: ignore[import-untyped]

_CODES = (
    "ar bg bn ca cs da de el en es et fa fi fr he hi hr hu hy id is it ja ka ko la lt lv nl no pl "
    "pt ro ru sk sl sr sv ta te th tr uk ur vi zh"
)
LANGUAGES = tuple(_CODES.split())
"""What is told apart. Rarer ones are left out: their neighbours would be taken for them."""

_SAMPLE = 1_000  # characters from the beginning, and as many from the middle
_CERTAIN = 0.45  # of a probability that all languages share; measured, beyond it few are wrong
_SHORT = 12  # letters, up to which a text must be quite certain
_CERTAIN_IF_SHORT = 0.8
_LETTER = re.compile(r"[^\W\d_]")
_LINK = re.compile(r"\S*(?:://|@)\S*")

_loading = threading.Lock()


def language(text: str) -> str:
    """The language of a text."""
    middle = len(text) // 2
    sample = text if len(text) <= 2 * _SAMPLE else text[:_SAMPLE] + " " + text[middle:][:_SAMPLE]
    if "://" in sample or "@" in sample:
        sample = _LINK.sub(" ", sample)
    letters = len(_LETTER.findall(sample))
    if letters < 2:
        return ""
    found, certainty = _model().classify(sample)
    certain = _CERTAIN if letters > _SHORT else _CERTAIN_IF_SHORT
    return str(found) if certainty >= certain else ""


def _model() -> LanguageIdentifier:
    with _loading:  # half a second once; others wait for it rather than load it too
        return _loaded()


@cache
def _loaded() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.set_languages(LANGUAGES)
    return model
