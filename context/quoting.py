"""Material between tags that it can neither close nor open: the one way in which a prompt quotes.

Instructions name the tags and say that nothing inside them is addressed to the model. So whatever a
stranger may have written, a passage, an earlier question, another model's draft, goes in here.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from retrieval import lookalikes

TAGS = (
    *("sources", "source", "conversation", "question", "part"),
    *("examples", "example", "draft", "critique"),
    *("task", "notes"),
)
"""Every tag that a prompt of ours uses. All of them are taken out of all material, since a model
does not tell as strictly as a parser which one is open."""

JOINED = "▁"
"""Between the words of material that is marked word by word."""

_OPENING = "<＜﹤‹❮❬❰〈\u2329⟨⟪˂ᐸᚲ≺⧼"
_CLOSING = frozenset("/／⁄∕⧸╱\\")
_SIGN = re.compile(f"[{re.escape(_OPENING)}[]")
_TEMPLATE = re.compile(  # tags of chat templates
    rf"[{re.escape(_OPENING)}](?:[|｜]|/?(?:s|bos|eos|pad|unk|start_of_turn|end_of_turn)>)"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\]",
    re.IGNORECASE,
)
_NAMES = frozenset(TAGS)
_LONGEST = max(map(len, TAGS))
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Mn", "Me", "Zs", "Zl", "Zp"})  # categories
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")  # letters and a sign that show nothing
_LONGEST_ATTRIBUTE = 160  # characters


def quoted(tag: str, text: str, **attributes: str) -> str:
    """A text between `<tag>` and `</tag>`, each on a line of its own. Attributes that are empty are
    left out."""
    written = "".join(f' {name}="{_attribute(v)}"' for name, v in attributes.items() if v)
    return f"<{tag}{written}>\n{harmless(text)}\n</{tag}>"


def harmless(text: str) -> str:
    """The text, in which nothing can be read as one of our tags or as a chat template's, however it
    is written: of such a tag the opening sign is replaced, and the rest stays readable."""
    if "<" not in text and "[" not in text and (text.isascii() or not _SIGN.search(text)):
        return text
    return _SIGN.sub(_replaced, text)


def marked(text: str) -> str:
    """The same, with a sign at every word that it is quoted: "datamarking" of Hines et al.,
    Defending Against Indirect Prompt Injection Attacks With Spotlighting (2024)."""
    return JOINED.join(harmless(text).replace(JOINED, "_").split())


def _attribute(value: str) -> str:
    if not value.isprintable():
        value = "".join(c if c.isprintable() else " " for c in value)
    plain = " ".join(value.split())
    cut = plain if len(plain) <= _LONGEST_ATTRIBUTE else plain[: _LONGEST_ATTRIBUTE - 1] + "…"
    cut = cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return harmless(cut.replace('"', "&quot;"))


def _replaced(sign: re.Match[str]) -> str:
    text, at = sign.string, sign.start()
    if not _TEMPLATE.match(text, at) and not (sign[0] != "[" and _opens(text, sign.end())):
        return sign[0]
    return "&#91;" if sign[0] == "[" else "&lt;"


def _opens(text: str, at: int) -> bool:
    """Whether what stands behind an opening sign is the rest of one of our tags. An end of whatever
    name is taken for one where the name is in letters that look like others: HTML has none such."""
    closing, plain, name = False, True, ""
    for place in range(at, len(text)):
        sign = text[place]
        if sign in _CLOSING and not name:
            closing = True
        elif _shows_nothing(sign):
            if name in _NAMES:
                return True
            if name and sign.isspace():
                break
        else:
            plain = plain and sign.isascii()
            letter = _letter(sign)
            if not (letter.isalnum() or letter == "_") or len(name) > _LONGEST:
                break
            name += letter
    return name in _NAMES or (closing and not plain)


@lru_cache(maxsize=4096)
def _shows_nothing(sign: str) -> bool:
    parts = unicodedata.normalize("NFKD", sign)
    return all(each in _FILLERS or unicodedata.category(each) in _UNSEEN for each in parts)


@lru_cache(maxsize=4096)
def _letter(sign: str) -> str:
    """What it looks like: a small Latin letter, or what it is."""
    parts = unicodedata.normalize("NFKD", sign.translate(lookalikes.RARE))
    seen = "".join(each for each in parts if unicodedata.category(each) not in _UNSEEN)
    return seen.translate(lookalikes.ALPHABETS).translate(lookalikes.RARE).casefold()
