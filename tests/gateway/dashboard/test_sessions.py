"""Sessions in memory."""

from __future__ import annotations

from gateway.dashboard.sessions import LASTS, MOST, Sessions


def test_a_session_names_its_key() -> None:
    sessions = Sessions()
    assert sessions.key(sessions.begin("k_1")) == "k_1"


def test_a_session_id_is_random_and_says_nothing() -> None:
    sessions = Sessions()
    first, second = sessions.begin("k_1"), sessions.begin("k_1")
    assert first != second
    assert len(first) >= 43
    assert "k_1" not in first


def test_an_unknown_id_is_nobody() -> None:
    assert Sessions().key("x") is None
    assert Sessions().key("\udc80") is None


def test_a_session_ends_when_it_is_ended() -> None:
    sessions = Sessions()
    session_id = sessions.begin("k_1")
    sessions.end(session_id)
    assert sessions.key(session_id) is None


def test_a_session_lasts_twelve_hours() -> None:
    now = 0.0
    sessions = Sessions(lambda: now)
    session_id = sessions.begin("k_1")
    now = LASTS - 1.0
    assert sessions.key(session_id) == "k_1"
    now = float(LASTS)
    assert sessions.key(session_id) is None


def test_the_oldest_make_room() -> None:
    sessions = Sessions()
    first = sessions.begin("k_0")
    ids = [sessions.begin("k_1") for _ in range(MOST)]
    assert sessions.key(first) is None
    assert all(sessions.key(each) for each in ids)
