"""A prompt's file and what is put into it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.prompts.template import BadPrompt, Template, template
from context.quoting import TAGS

HEAD = '+++\nabout = "x"\nlanguage = "en"\n'


def made(text: str, *variables: str) -> Template:
    named = "".join(f'{name} = "x"\n' for name in variables)
    return template("a.v1.txt", f"{HEAD}[variables]\n{named}+++\n{text}\n", packaged=False)


def test_a_file_says_what_it_is_and_what_goes_in() -> None:
    read = made("Ask {who}.", "who")
    assert (read.id, read.about, read.language) == ("a@v1", "x", "en")
    assert read.variables == {"who": "x"}
    assert read.render(who="Ada") == "Ask Ada."


def test_braces_that_are_no_variable_are_braces() -> None:
    assert made('Write {"a": {n}} or {}.', "n").render(n="{n} {m}") == 'Write {"a": {n} {m}} or {}.'


@pytest.mark.parametrize("values", [{}, {"a": "1"}, {"a": "1", "b": "2", "c": "3"}])
def test_each_variable_has_one_value(values: dict[str, str]) -> None:
    with pytest.raises(BadPrompt, match=r"a@v1: .*(missing|unknown)"):
        made("{a} {b}", "a", "b").render(**values)


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("strict.txt", f"{HEAD}+++\nx", "NAME.vN.txt"),
        ("Strict.v1.txt", f"{HEAD}+++\nx", "NAME.vN.txt"),
        ("a.v1.txt", "x", "does not begin with a head"),
        ("a.v1.txt", "+++\nabout\n+++\nx", "is not TOML"),
        ("a.v1.txt", '+++\nabout = "x"\n+++\nx', "a head has"),
        ("a.v1.txt", f"{HEAD}more = 1\n+++\nx", "a head has"),
        ("a.v1.txt", '+++\nabout = 1\nlanguage = "en"\n+++\nx', "are texts"),
        ("a.v1.txt", f"{HEAD}variables = 1\n+++\nx", "a text that describes it"),
        ("a.v1.txt", f"{HEAD}+++\n{{who}}", "{who} is unknown"),
        ("a.v1.txt", f'{HEAD}[variables]\nwho = "x"\n+++\nx', "{who} is missing"),
    ],
)
def test_a_file_that_is_no_prompt_says_why(file: str, content: str, why: str) -> None:
    with pytest.raises(BadPrompt, match=re.escape(why)) as raised:
        template(file, content, packaged=False)
    assert file in str(raised.value)


@given(st.lists(st.sampled_from(["<", "</", "<question>", ">", "/", " ", "question", "{a}", "x"])))
def test_no_value_closes_a_tag(pieces: list[str]) -> None:
    text = made("<question>\n{a}\n</question>", "a").render(a="".join(pieces))
    assert len(re.findall(rf"<\s*/?\s*(?:{'|'.join(TAGS)})\b", text)) == 2
