"""What the ladder's section of the configuration refuses."""

from __future__ import annotations

import pytest

from gateway.config import ConfigError, parse
from gateway.degrade.config import DegradeConfig, HandOver

CANNED = '[[degrade.canned]]\ntopic = "t"\nanswer = "a"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[degrade]\nsteps = ["pray"]', "degrade.steps"),
        ('[degrade]\nsteps = ["canned", "canned"]', "named twice"),
        ('[degrade]\nsteps = ["hand-over", "canned"]', "ends the ladder"),
        ('[degrade.hand_over]\ntext = "Ask {who}"', "not {who}"),
        (CANNED, "keywords, examples, or default"),
        (CANNED + 'keywords = ["?"]', "no word in it"),
        (CANNED + "default = true\n" + CANNED + "default = true", "only one"),
    ],
)
def test_what_could_never_be_meant_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(text)


def test_stale_answers_are_kept_only_where_a_step_gives_them() -> None:
    assert DegradeConfig(stale_for=60).keep_stale_for == 60
    assert DegradeConfig(stale_for=60, steps=("canned",)).keep_stale_for == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Ask {contact}, name {trace_id}.", "Ask desk@x, name 42."),
        ("Sorry: {reason}", "Sorry: {contact} broke Contact: desk@x"),
    ],
)
def test_the_text_is_filled_in_once(text: str, said: str) -> None:
    last = HandOver(text=text, contact="desk@x")
    assert last.filled_in(trace_id="42", reason="{contact} broke") == said
