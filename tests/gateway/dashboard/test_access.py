"""Who may see the dashboard."""

from __future__ import annotations

from http.cookies import SimpleCookie

import httpx
import pytest

from gateway.dashboard.access import COOKIE, local_path
from tests.gateway.dashboard.world import ADMIN, PLAIN, FakeAccounts, FakeLedger, client, recorded

PAGES = ("/", "/traces", f"/traces/{'4f2a91c0' * 4}")


@pytest.fixture
def accounts() -> FakeAccounts:
    return FakeAccounts({"sk-admin": ADMIN, "sk-plain": PLAIN})


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger((recorded(),))


async def signed_in(pages: httpx.AsyncClient, **form: str) -> httpx.Response:
    return await pages.post("/login", data={"key": "sk-admin", **form})


@pytest.mark.anyio
@pytest.mark.parametrize("path", PAGES)
async def test_without_keys_it_is_open_on_this_machine(path: str, ledger: FakeLedger) -> None:
    async with client(ledger) as pages:
        assert (await pages.get(path)).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "moorline"])
async def test_without_keys_a_foreign_name_is_refused(host: str) -> None:
    """A web page can point its own name at 127.0.0.1; what is open there is not for it."""
    async with client(base_url=f"http://{host}:8080") as pages:
        for headers in ({}, {"Authorization": "Bearer anything"}):
            response = await pages.get("/", headers=headers)
            assert response.status_code == 403
            assert "Overview" not in response.text


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["localhost", "app.localhost", "127.0.0.1", "[::1]", "10.0.0.7"])
async def test_without_keys_addresses_and_localhost_are_answered(host: str) -> None:
    async with client(base_url=f"http://{host}:8080") as pages:
        assert (await pages.get("/")).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("path", PAGES)
async def test_with_keys_the_way_leads_to_the_door(path: str, accounts: FakeAccounts) -> None:
    async with client(accounts=accounts) as pages:
        response = await pages.get(path)
    assert response.status_code == 303
    assert response.headers["location"].startswith("/login")


@pytest.mark.anyio
async def test_an_admin_key_opens_and_leads_back(accounts: FakeAccounts) -> None:
    async with client(accounts=accounts) as pages:
        door = await pages.get("/traces", params={"status": "error"}, follow_redirects=True)
        assert 'name="next" value="/traces?status=error"' in door.text
        response = await signed_in(pages, next="/traces?status=error")
        assert response.status_code == 303
        assert response.headers["location"] == "/traces?status=error"
        assert (await pages.get("/traces")).status_code == 200


@pytest.mark.anyio
async def test_the_cookie_is_for_this_site_alone_and_does_not_hold_the_key(
    accounts: FakeAccounts,
) -> None:
    async with client(accounts=accounts) as pages:
        response = await signed_in(pages)
    cookie = SimpleCookie(response.headers["set-cookie"])[COOKIE]
    assert cookie["httponly"]
    assert (cookie["samesite"], cookie["path"], cookie["secure"]) == ("strict", "/", "")
    assert cookie["max-age"] == str(12 * 3600)
    assert "sk-admin" not in cookie.value
    assert ADMIN.key not in cookie.value


@pytest.mark.anyio
async def test_the_cookie_is_secure_over_https(accounts: FakeAccounts) -> None:
    async with client(accounts=accounts, base_url="https://gateway.example") as pages:
        response = await signed_in(pages)
    assert SimpleCookie(response.headers["set-cookie"])[COOKIE]["secure"]


@pytest.mark.anyio
async def test_an_unknown_key_is_refused_at_the_door(accounts: FakeAccounts) -> None:
    async with client(accounts=accounts) as pages:
        response = await pages.post("/login", data={"key": "sk-wrong"})
    assert response.status_code == 401
    assert "Incorrect API key" in response.text
    assert "sk-wrong" not in response.text
    assert "set-cookie" not in response.headers


@pytest.mark.anyio
async def test_a_key_that_is_not_admin_is_refused_and_told_so(accounts: FakeAccounts) -> None:
    async with client(accounts=accounts) as pages:
        response = await pages.post("/login", data={"key": "sk-plain"})
        assert response.status_code == 403
        assert "not an admin key" in response.text
        assert "set-cookie" not in response.headers
        bearer = await pages.get("/", headers={"Authorization": "Bearer sk-plain"})
        assert bearer.status_code == 403
        assert "not an admin key" in bearer.text


@pytest.mark.anyio
async def test_a_bearer_token_works_without_a_session(accounts: FakeAccounts) -> None:
    async with client(accounts=accounts) as pages:
        good = await pages.get("/", headers={"Authorization": "Bearer sk-admin"})
        bad = await pages.get("/", headers={"Authorization": "Bearer sk-wrong"})
    assert good.status_code == 200
    assert bad.status_code == 401
    assert bad.headers["www-authenticate"] == "Bearer"


@pytest.mark.anyio
async def test_revoking_the_key_ends_its_sessions(accounts: FakeAccounts) -> None:
    async with client(accounts=accounts) as pages:
        await signed_in(pages)
        del accounts.keys["sk-admin"]
        assert (await pages.get("/")).status_code == 303


@pytest.mark.anyio
async def test_signing_out_ends_the_session_itself(accounts: FakeAccounts) -> None:
    async with client(accounts=accounts) as pages:
        await signed_in(pages)
        kept = pages.cookies[COOKIE]
        assert (await pages.post("/logout")).headers["location"] == "/login"
        pages.cookies.set(COOKIE, kept, domain="127.0.0.1")
        assert (await pages.get("/")).status_code == 303


@pytest.mark.anyio
async def test_signing_out_by_a_link_is_not_possible(accounts: FakeAccounts) -> None:
    async with client(accounts=accounts) as pages:
        await signed_in(pages)
        assert (await pages.get("/logout")).status_code == 405
        assert (await pages.get("/")).status_code == 200


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/login", "/logout"])
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_a_form_of_another_site_is_refused(
    path: str, site: str, accounts: FakeAccounts
) -> None:
    async with client(accounts=accounts) as pages:
        headers = {"Sec-Fetch-Site": site}
        response = await pages.post(path, data={"key": "sk-admin"}, headers=headers)
    assert response.status_code == 403
    assert "set-cookie" not in response.headers


@pytest.mark.anyio
async def test_a_link_from_elsewhere_gets_a_second_try_with_the_cookie(
    accounts: FakeAccounts,
) -> None:
    """A strict cookie is not sent along a link from another site, only along our own."""
    async with client(accounts=accounts) as pages:
        headers = {"Sec-Fetch-Site": "cross-site"}
        response = await pages.get("/traces?status=ok", headers=headers)
    assert response.status_code == 200
    assert 'http-equiv="refresh" content="0; url=/traces?status=ok"' in response.text


@pytest.mark.anyio
async def test_who_is_signed_in_is_not_asked_again(accounts: FakeAccounts) -> None:
    async with client(accounts=accounts) as pages:
        await signed_in(pages)
        response = await pages.get("/login", params={"next": "/traces"})
    assert response.headers["location"] == "/traces"


@pytest.mark.anyio
async def test_an_endless_form_is_not_read(accounts: FakeAccounts) -> None:
    async with client(accounts=accounts) as pages:
        response = await pages.post("/login", content=b"key=" + b"x" * 100_000)
    assert response.status_code == 413


@pytest.mark.parametrize(
    ("path", "goes_to"),
    [
        ("/traces?status=ok", "/traces?status=ok"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("", "/"),
    ],
)
def test_the_door_never_leads_elsewhere(path: str, goes_to: str) -> None:
    assert local_path(path) == goes_to
