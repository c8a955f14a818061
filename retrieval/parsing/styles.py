"""What a page's styles hide from its reader: inline ones, and plain rules of its own sheets.

An element may be gone, invisible, too small to be seen, of the colour of its ground, or outside
the page. Rules count where their selector is a tag, classes and an id; combinations of elements,
media queries, other files' sheets and scripts are not known. Where such could give an element
another ground, its colour hides nothing. Menus that open and texts for screen readers are hidden
here too: what is found may be harmless.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache

RGB = tuple[int, int, int]
_UNKNOWN: RGB = (-999, -999, -999)
_WHITE: RGB = (255, 255, 255)
_NEAR = 12  # of 255, in each colour
_SMALLEST = 2.0  # pixels
_OUTSIDE = -400.0  # pixels: beyond the left or upper edge
_MOST_CSS = 500_000
_MOST_RULES = 20_000
_LONGEST_STYLE = 4_000

_NAMED: dict[str, RGB] = {
    "white": _WHITE, "black": (0, 0, 0), "red": (255, 0, 0), "green": (0, 128, 0),
    "blue": (0, 0, 255), "yellow": (255, 255, 0), "gray": (128, 128, 128),
    "grey": (128, 128, 128), "silver": (192, 192, 192), "navy": (0, 0, 128),
    "snow": (255, 250, 250), "ivory": (255, 255, 240), "ghostwhite": (248, 248, 255),
    "whitesmoke": (245, 245, 245), "floralwhite": (255, 250, 240), "azure": (240, 255, 255),
}  # fmt: skip
_KEYWORDS = "none inherit initial unset currentcolor repeat scroll fixed center top left bottom"
_NO_COLOURS = frozenset(_KEYWORDS.split())
_SAYING = frozenset({"style", "hidden", "bgcolor", "color"})
_PLACING = frozenset({"class", "id"})
_COLOUR = re.compile(
    r"#(?:[0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})\b|rgba?\([^()]*\)|\b[a-z]{3,20}\b(?!\()"
)
_LENGTH = re.compile(r"(-?\d*\.?\d+)(px|pt|em|rem|ex|ch|vw|vh|%|)(?![\w.])")
_PIXELS = {"px": 1.0, "": 1.0, "pt": 4 / 3, "em": 16.0, "rem": 16.0, "ex": 8.0, "ch": 8.0}
_PIXELS |= {"vw": 10.0, "vh": 8.0}
_NOTHING = re.compile(r"rect\((?:\s*[01](?:px)?[\s,]*){4}\)|inset\(\s*(?:50|100)%")
_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.DOTALL)
_SIMPLE = re.compile(r"([a-zA-Z][\w-]*|\*|)((?:[.#][\w-]+)*)")


@dataclass(frozen=True, slots=True)
class Style:
    """What declarations say of the few properties that hide; None where they say nothing."""

    gone: bool | None = None
    apart: bool | None = None  # transparent, clipped to nothing, or off the page
    invisible: bool | None = None
    tiny: bool | None = None
    colour: RGB | None = None
    ground: RGB | None = None

    def over(self, other: Style) -> Style:
        """Both, where this one wins."""
        said = {f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None}
        return replace(other, **said)


_PLAIN = Style()


@dataclass(frozen=True, slots=True)
class Look:
    """How an element's text is seen, after its own styles and those that it inherits."""

    gone: bool = False  # with all that is in it
    invisible: bool = False
    tiny: bool = False
    colour: RGB = _UNKNOWN
    ground: RGB = _WHITE

    @property
    def seen(self) -> bool:
        if self.gone or self.invisible or self.tiny:
            return False
        return self.colour == _UNKNOWN or not _near(self.colour, self.ground)


@dataclass(frozen=True, slots=True)
class _Rule:
    tag: str
    names: frozenset[str]  # `.class` and `#id`
    rank: tuple[int, int]
    style: Style


@dataclass(slots=True)
class Styles:
    """A page's own sheets."""

    foreign: bool = False
    """Whether grounds may come from elsewhere: another file's sheet, a rule not understood."""
    _rules: dict[str, list[_Rule]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    def of(cls, sheets: Iterable[str], foreign: bool) -> Styles:
        styles = cls(foreign)
        left = _MOST_CSS
        count = 0
        for sheet in sheets:
            for selector, body in _blocks(sheet[:left]):
                style = declared(body)
                if style == _PLAIN or count >= _MOST_RULES:
                    continue
                for one in selector.split(","):
                    count += 1
                    styles._add(one.strip(), style, count, "!important" in body)
            left = max(0, left - len(sheet))
        return styles

    def _add(self, selector: str, style: Style, order: int, important: bool) -> None:
        found = _SIMPLE.fullmatch(selector)
        if found is None or not selector:
            # What an element looks like when it is pointed at says nothing of how it stands there.
            self.foreign |= ":" not in selector and (style.ground or style.colour) is not None
            return
        tag = found.group(1).lower()
        tag = "" if tag == "*" else tag
        names = frozenset(re.findall(r"[.#][\w-]+", found.group(2)))
        if tag in ("html", "body") or selector == "*":  # a script shows it when it is loaded
            style = replace(style, gone=None, apart=None, invisible=None, tiny=None)
        weight = sum(100 if name[0] == "#" else 10 for name in names) + bool(tag) + 1000 * important
        key = min(names, default=tag)  # any of them: the others are looked at then
        self._rules[key].append(_Rule(tag, names, (weight, order), style))

    def look(self, above: Look, tag: str, attributes: Mapping[str, str | None]) -> Look:
        """An element's look, within that of its parent."""
        unsure = self.foreign and not _PLACING.isdisjoint(attributes)
        if not (unsure or self._rules) and _SAYING.isdisjoint(attributes):
            return above
        style = self._style(tag, attributes)
        if style == _PLAIN and not unsure:
            return above
        ground = style.ground or (_UNKNOWN if unsure else above.ground)
        return Look(
            above.gone or bool(style.gone) or bool(style.apart),
            above.invisible if style.invisible is None else style.invisible,
            above.tiny if style.tiny is None else style.tiny,
            style.colour or above.colour,
            ground,
        )

    def _style(self, tag: str, attributes: Mapping[str, str | None]) -> Style:
        style = self._ruled(tag, attributes) if self._rules else _PLAIN
        if "hidden" in attributes and not style.gone:
            style = replace(style, gone=True)
        if "bgcolor" in attributes or (tag == "font" and "color" in attributes):
            given = _colour((attributes.get("color") or "").lower())
            ground = _colour((attributes.get("bgcolor") or "").lower())
            style = Style(colour=given, ground=ground).over(style)
        if inline := attributes.get("style"):
            style = declared(inline[:_LONGEST_STYLE]).over(style)
        return style

    def _ruled(self, tag: str, attributes: Mapping[str, str | None]) -> Style:
        own = {f".{name}" for name in (attributes.get("class") or "").split()}
        if found := attributes.get("id"):
            own.add(f"#{found}")
        rules = [
            rule
            for key in (tag, "", *own)
            for rule in self._rules.get(key, ())
            if rule.tag in ("", tag) and rule.names <= own
        ]
        style = _PLAIN
        for rule in sorted(rules, key=lambda rule: rule.rank):
            style = rule.style.over(style)
        return style


def _blocks(sheet: str) -> Iterator[tuple[str, str]]:
    """Selector and body of each rule that always holds."""
    depth = 0
    selector = ""
    for piece in re.findall(r"[^{}]+|[{}]", _COMMENT.sub(" ", sheet)):
        if piece == "{":
            depth += 1
        elif piece == "}":
            depth = max(0, depth - 1)
        elif depth == 0:
            selector = piece.rpartition(";")[2].strip()  # behind imports
        elif depth == 1 and not selector.startswith("@"):
            yield selector, piece


@lru_cache(maxsize=4096)
def declared(text: str) -> Style:
    """What a list of declarations says."""
    said: dict[str, str] = {}
    for part in text.lower().split(";"):
        name, colon, value = part.partition(":")
        if colon:
            said[name.strip()] = value.replace("!important", "").strip()
    if not said:
        return _PLAIN
    size = said.get("font-size", "")
    style = Style(
        gone="none" in said["display"].split() if "display" in said else None,
        apart=_apart(said) or None,
        invisible=said["visibility"] in ("hidden", "collapse") if "visibility" in said else None,
        tiny=_tiny(size),
        colour=_colour(said.get("color", "")),
        ground=_ground(said),
    )
    if style.colour is None and _clear(said.get("color", "")):
        style = replace(style, tiny=True)
    return _PLAIN if style == _PLAIN else style


def _apart(said: Mapping[str, str]) -> bool:
    if "opacity" in said and (_pixels(said["opacity"]) or 0.0) < 0.05 and said["opacity"][:1] in (
        "0", ".",
    ):  # fmt: skip
        return True
    if _NOTHING.search(said.get("clip", "")) or _NOTHING.search(said.get("clip-path", "")):
        return True
    placed = said.get("position") in ("absolute", "fixed")
    sides = ("left", "top", "right", "bottom") if placed else ()
    for name in (*sides, "text-indent", "margin-left", "margin-top"):
        if (at := _pixels(said.get(name, ""))) is not None and at < _OUTSIDE:
            return True
    if "hidden" in said.get("overflow", "") or "clip" in said.get("overflow", ""):
        extents = (said.get(name, "") for name in ("width", "height", "max-height", "max-width"))
        return any((at := _pixels(extent)) is not None and at < _SMALLEST for extent in extents)
    return "scale(0" in said.get("transform", "").replace("scale(0.", "scale(.")


def _tiny(size: str) -> bool | None:
    """Whether a font's size is none that is read; relative ones keep what they inherit."""
    if not size or size in ("inherit", "smaller", "larger", "unset") or "var(" in size:
        return None
    found = _LENGTH.match(size)
    if found is None:
        return False
    number, unit = float(found.group(1)), found.group(2)
    if unit in ("em", "%", "ex", "ch") and number > (5 if unit == "%" else 0.1):
        return None
    return number * (0.16 if unit == "%" else _PIXELS[unit]) < _SMALLEST


def _pixels(value: str) -> float | None:
    found = _LENGTH.match(value)
    if found is None or found.group(2) == "%":
        return None
    return float(found.group(1)) * _PIXELS[found.group(2)]


def _ground(said: Mapping[str, str]) -> RGB | None:
    value = f"{said.get('background', '')} {said.get('background-color', '')}".strip()
    image = said.get("background-image", "none")
    if "(" in re.sub(r"rgba?\(", "", value) or image != "none":
        return _UNKNOWN
    return _colour(value) if value else None


def _colour(value: str) -> RGB | None:
    """The last colour that a value names; None where it names none."""
    if "var(" in value or "hsl" in value:
        return _UNKNOWN
    colour: RGB | None = None
    for found in _COLOUR.findall(value):
        if not _clear(found):
            colour = _named(found) or colour
    return colour


def _named(text: str) -> RGB | None:
    if text[0] == "#":
        digits = text[1:]
        digits = "".join(c * 2 for c in digits[:3]) if len(digits) < 6 else digits[:6]
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
    if text.startswith("rgb"):
        numbers = [float(n) for n in re.findall(r"\d*\.?\d+", text)[:3]]
        scale = 2.55 if "%" in text else 1.0
        if len(numbers) < 3:
            return _UNKNOWN
        red, green, blue = (round(min(number * scale, 255)) for number in numbers)
        return red, green, blue
    if text in (
        "none",
        "inherit",
        "initial",
        "unset",
        "repeat",
        "scroll",
        "center",
        "currentcolor",
    ):
        return None
    return _NAMED.get(text, _UNKNOWN)


def _clear(value: str) -> bool:
    """Whether a colour cannot be seen through at all: it is not there."""
    if value == "transparent":
        return True
    numbers = re.findall(r"\d*\.?\d+", value) if value.startswith("rgba") else []
    return len(numbers) == 4 and float(numbers[3]) < 0.05


def _near(one: RGB, other: RGB) -> bool:
    return all(abs(a - b) <= _NEAR for a, b in zip(one, other, strict=True))
