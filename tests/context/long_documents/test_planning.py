"""What reading a long text takes: no call over the window, and no text that reaches none."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from context.long_documents.apart import apart
from context.long_documents.asking import Asking, Note
from context.long_documents.config import LongDocumentsConfig
from context.long_documents.cutting import structured
from context.long_documents.planning import Method, Scheme, Window, neighbours, planned
from context.prompts.catalogue import opened
from context.quoting import harmless
from context.tokens import Tokenizer, counter, messages_tokens
from context.types import Prompt, PromptTooLong
from tests.context.long_documents.test_cutting import COUNTERS

METHODS: list[Method] = ["map_reduce", "refine", "hierarchical"]
PROMPTS = opened()
WORDS = st.lists(
    st.sampled_from(
        ["rain", "</part>", "<notes>", "4.90 EUR.", "\n\n", "# A\n", "ünïcödé", "<|im|>"]
    ),
    min_size=50,
    max_size=3_000,
)


def prompts_of(asking: Asking, scheme: Scheme, note: str) -> list[list[Prompt]]:
    """Every call's prompt, level by level, where every note says the same."""
    of = len(scheme.parts)
    if scheme.method == "refine":
        calls = []
        for part in scheme.parts[:-1]:
            draft = Note(1, part.number - 1, note) if part.number > 1 else None
            calls.append([asking.refine(draft, part, of, scheme.note)])
        drafts = [Note(1, of - 1, note)] if of > 1 else []
        return [*calls, [asking.last(drafts, of, scheme.parts[-1])]]
    levels = [[asking.part(part, of, scheme.note) for part in scheme.parts]]
    notes = [Note(part.number, part.number, note) for part in scheme.parts]
    for calls_ in scheme.levels[1:-1]:
        groups = [[notes[i] for i in group] for group in neighbours(len(notes), calls_)]
        levels.append([asking.join(group, of, scheme.note) for group in groups])
        notes = [Note(group[0].first, group[-1].last, note) for group in groups]
    return [*levels, [asking.last(notes, of)]]


def as_long_as(tokens: int, count: Tokenizer) -> str:
    """A note that has as many tokens as may be kept of one."""
    text = ""
    while count(text + " word") <= tokens:
        text += " word"
    return text


@settings(max_examples=60, phases=[Phase.generate])  # a smaller text would show nothing more
@given(
    WORDS,
    st.sampled_from(COUNTERS),
    st.sampled_from(METHODS),
    st.integers(1_500, 6_000),
    st.integers(200, 900),
)
def test_no_call_is_over_the_window_and_the_plan_says_how_many_there_are(
    words: list[str], count: Tokenizer, method: Method, size: int, part: int
) -> None:
    text = " ".join(words)
    config = LongDocumentsConfig(part_tokens=part, note_tokens=96, overlap_tokens=30)
    window = Window(size, 200)
    found = apart([{"role": "user", "content": text}, {"role": "user", "content": "Summarise."}])
    assert found
    document = structured(found.document)
    asking = Asking(found, document, PROMPTS)
    frames = asking.frames(count, config.note_tokens)
    try:
        scheme = planned(document, method, window, frames, lambda t: count(harmless(t)), config)
    except PromptTooLong:  # counted by characters a window may be too small for the instructions
        return
    levels = prompts_of(asking, scheme, as_long_as(scheme.kept, count))
    assert tuple(map(len, levels)) == scheme.levels
    *before, (last,) = levels
    read = 0
    for prompt in [each for level in before for each in level]:
        read += (tokens := messages_tokens(prompt.messages, count))
        assert tokens + scheme.note <= window.usable
    assert (tokens := messages_tokens(last.messages, count)) + window.answer <= window.usable
    assert read + tokens <= scheme.prompt
    seen = "".join(str(prompt.messages) for prompt in [*levels[0], *(p for p in levels[-1])])
    if method == "refine":
        seen = "".join(str(level[0].messages) for level in levels)
    for part_ in scheme.parts:
        assert repr(harmless(text[part_.start : part_.end]).strip())[1:-1] in seen


def scheme_of(method: Method, sentences: int, window: int = 8_000, **config: int) -> Scheme:
    text = " ".join(f"Sentence number {n} says that much about it." for n in range(sentences))
    found = apart([{"role": "user", "content": f"Summarise this.\n\n{text}"}])
    assert found
    chosen = LongDocumentsConfig(**config)
    document = structured(found.document)
    frames = Asking(found, document, PROMPTS).frames(counter(), chosen.note_tokens)
    return planned(document, method, Window(window, 500), frames, counter(), chosen)


def test_notes_are_joined_at_once_where_shorter_ones_then_fit() -> None:
    scheme = scheme_of("map_reduce", 2_000, part_tokens=1_000, note_tokens=600)
    assert scheme.levels == (len(scheme.parts), 1)
    assert scheme.note < 600


def test_notes_are_joined_level_by_level_where_they_would_be_too_short() -> None:
    scheme = scheme_of("map_reduce", 6_000, window=3_000, part_tokens=600)
    assert len(scheme.levels) > 2


def test_hierarchical_joins_so_many_neighbours_at_most() -> None:
    scheme = scheme_of("hierarchical", 3_000, part_tokens=600, note_tokens=100, fan_in=4)
    parts = len(scheme.parts)
    assert scheme.levels[1] == -(-parts // 4)
    assert scheme.levels[-2] <= 4


def test_refine_takes_a_call_a_part() -> None:
    scheme = scheme_of("refine", 1_000, part_tokens=1_000)
    assert scheme.levels == (1,) * len(scheme.parts)


def test_a_window_without_room_for_a_part_is_refused_with_counts() -> None:
    with pytest.raises(PromptTooLong) as refused:
        scheme_of("map_reduce", 500, window=600)
    assert refused.value.tokens > 600 - 500


def test_neighbours_are_shared_out_evenly() -> None:
    assert [list(each) for each in neighbours(5, 2)] == [[0, 1], [2, 3, 4]]
