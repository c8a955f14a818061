"""What the router looks at: cheap facts of the request, no model and no I/O.

The word lists are a starting point that can be read and argued with; a learned router may stand
beside them, not inside them.
"""

from __future__ import annotations

import re

from routing.config import Complexity, Task

_TASKS: tuple[tuple[Task, re.Pattern[str]], ...] = (
    (
        "code",
        re.compile(
            r"```|\b(?:function|stack ?trace|traceback|compile|refactor|unit test|regex|sql|python"
            r"|javascript|typescript|rust|java|bash)\b|\bdef \w+\(|\bclass \w+[:({]"
            r"|\b(?:implement|debug)\b.{0,40}\b(?:code|method|class|script|api)\b",
            re.I,
        ),
    ),
    (
        "mathematics",
        re.compile(
            r"\b(?:prove|integral|derivative|equation|theorem|probability of|solve for|matrix"
            r"|polynomial|modulo)\b|\d\s*[\^*/+]\s*\d+\s*[\^*/+=-]",
            re.I,
        ),
    ),
    ("summary", re.compile(r"\b(?:summari[sz]e|summary|tl;?dr|key points|in brief)\b", re.I)),
    (
        "extraction",
        re.compile(r"\b(?:extract|list (?:all|every|the)|as json|into a table|fill in)\b", re.I),
    ),
    (
        "creative",
        re.compile(r"\b(?:poem|story|slogan|lyrics|haiku|limerick|brainstorm|tagline)\b", re.I),
    ),
)
_GREETING = re.compile(
    r"^\W*(?:hi|hello|hey|thanks|thank you|good (?:morning|evening)|bye)\b", re.I
)
_HARD = re.compile(
    r"\b(?:why|compare|contrast|trade-?offs?|analy[sz]e|evaluate|design|architect|strategy|prove"
    r"|step by step|explain how|pros and cons|root cause|implications?|plan for)\b",
    re.I,
)
_PARTS = re.compile(
    r"\?|\b(?:and then|as well as|first|second|third|finally|also)\b|\n[^\S\n]*[-*\d]", re.I
)

TASKS = tuple(task for task, _ in _TASKS)
"""Those that have words of their own."""

LONG_QUESTION_WORDS = 60
MANY_PARTS = 3


def task_by_words(question: str) -> Task:
    """The first task whose words are among those of the question."""
    head = question[:4000]
    for task, pattern in _TASKS:
        if pattern.search(head):
            return task
    return "conversation" if _GREETING.match(head) and len(head) < 80 else "question"


def marks(question: str) -> tuple[bool, ...]:
    """Of each of TASKS, whether its words are there; and whether it begins with a greeting."""
    head = question[:4000]
    found = [pattern.search(head) is not None for _, pattern in _TASKS]
    return (*found, _GREETING.match(head) is not None)


def complexity_by_words(question: str) -> Complexity:
    """Long, of many parts, or with a word that asks for thought: complex."""
    head = question[:4000]
    hard = (
        len(head.split()) > LONG_QUESTION_WORDS
        or len(_PARTS.findall(head)) > MANY_PARTS
        or _HARD.search(head) is not None
    )
    return "complex" if hard else "simple"
