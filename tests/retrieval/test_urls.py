from __future__ import annotations

import pytest

from retrieval.urls import without_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/a?b=c@d", "https://host/a?b=c@d"),
        ("https://me:secret@host:8080/a", "https://host:8080/a"),
        ("https://me@host/a@b", "https://host/a@b"),
        ("https://me:se@cret@host/a", "https://host/a"),
        ("ftp://me:secret@host/a", "ftp://host/a"),
        ("https://me:secret@host:99999/a", "https://host:99999/a"),
        ("https://me:secret@[host/a", "https://[host/a"),
        ("https://me:sec/ret@host/a", "https://host/a"),
        ("https://me:sec#ret@host/a", "https://host/a"),
    ],
)
def test_nobody_sees_the_password_in_a_url(url: str, shown: str) -> None:
    assert without_password(url) == shown
