"""Material between tags that it can neither close nor open: the one way in which a prompt quotes.

Instructions name the tags and say that nothing inside them is addressed to the model. So whatever a
stranger may have written, a passage, an earlier question, another model's draft, goes in here.
"""

from __future__ import annotations

import re

TAGS = (
    *("sources", "source", "conversation", "question", "part"),
    *("examples", "example", "draft", "critique"),
    *("task", "notes"),
)
"""Every tag that a prompt of ours uses. All of them are taken out of all material, since a model
does not tell as strictly as a parser which one is open."""

JOINED = "▁"
"""Between the words of material that is marked word by word."""

_BLANK = r"[\s\u00ad\u200b-\u200f\u2060-\u2064\ufeff]{0,8}"
_TAG = re.compile(
    rf"[<＜﹤](?={_BLANK}/?{_BLANK}(?:{'|'.join(TAGS)})\b"  # our fences
    r"|[|｜]|/?(?:s|bos|eos|pad|unk|start_of_turn|end_of_turn)>)"  # and those of chat templates
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\])",
    re.IGNORECASE,
)
_LONGEST_ATTRIBUTE = 160  # characters


def quoted(tag: str, text: str, **attributes: str) -> str:
    """A text between `<tag>` and `</tag>`, each on a line of its own. Attributes that are empty are
    left out."""
    written = "".join(f' {name}="{_attribute(v)}"' for name, v in attributes.items() if v)
    return f"<{tag}{written}>\n{harmless(text)}\n</{tag}>"


def harmless(text: str) -> str:
    """The text, in which nothing can be read as one of our tags or as a chat template's."""
    if not any(mark in text for mark in "<＜﹤["):
        return text
    return _TAG.sub(lambda match: "&#91;" if match[0] == "[" else "&lt;", text)


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
    return cut.replace('"', "&quot;")
