"""Against a real server on loopback: what is followed, what is sent along, what is refused."""

from __future__ import annotations

import datetime
import gzip
import socket
import time
import tracemalloc
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from retrieval.parsing.draft import Unreadable
from retrieval.sources.fetching import BadStatus, Fetcher, gunzipped
from tests.retrieval.sources.web import Site, fetcher, here, serving


def got(url: str, fetch: Fetcher | None = None) -> bytes:
    with (fetch or fetcher()).get(url) as answer:
        return b"".join(answer.chunks)


def refused(url: str, fetch: Fetcher | None = None) -> str:
    with pytest.raises(Unreadable) as error:
        got(url, fetch)
    return error.value.reason


def test_says_who_it_is(site: Site) -> None:
    assert got(site.put("/a", "A page."), fetcher(user_agent="Reader/1")) == b"A page."
    assert site.asked[0][2]["user-agent"] == "Reader/1"


def test_loopback_is_refused_unless_it_is_allowed(site: Site) -> None:
    url = site.put("/a", "A page.")
    assert refused(url, Fetcher()).startswith("127.0.0.1 is not a public address")
    assert site.asked == []


def test_an_authority_is_shown_to_the_server_that_is_named_alone(site: Site) -> None:
    with serving() as other:
        fetch = Fetcher(here(), authority="Bearer secret")
        url = site.put("/a", status=302, Location=other.put("/b", "A page."))
        assert got(url, fetch) == b"A page."
        assert site.asked[0][2]["authorization"] == "Bearer secret"
        assert "authorization" not in other.asked[0][2]


def test_reads_from_the_middle_of_a_server_that_can(site: Site) -> None:
    site.put("/a", "middle", status=206)
    with fetcher().get(f"{site.url}/a", start=4) as answer:
        assert b"".join(answer.chunks) == b"middle"
    assert site.asked[0][2]["range"] == "bytes=4-"
    with pytest.raises(BadStatus) as error, fetcher().get(site.put("/b", "All."), start=4):
        pass
    assert error.value.status == 200


def test_follows_redirects(site: Site) -> None:
    site.put("/deep/b", "A page.")
    url = site.put("/a", status=302, Location="deep/b#part")
    with fetcher().get(url) as answer:
        assert b"".join(answer.chunks) == b"A page."
        assert answer.url == f"{site.url}/deep/b"


def test_a_redirect_to_a_private_address_is_refused(site: Site) -> None:
    port = site.url.rpartition(":")[2]
    url = site.put("/a", status=302, Location=f"http://127.0.0.2:{port}/secret")
    assert refused(url).startswith("127.0.0.2 is not a public address")
    assert site.paths() == ["/a"]


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://host/a", "gopher://host:70/"])
def test_a_redirect_out_of_the_web_is_refused(site: Site, target: str) -> None:
    url = site.put("/a", status=302, Location=target)
    assert refused(url).startswith("it leads to no page")


@pytest.mark.parametrize("target", ["http://[", "//[::1", "http://a b/", "http://a:x/"])
def test_a_redirect_to_what_is_no_url_is_refused(site: Site, target: str) -> None:
    assert refused(site.put("/a", status=302, Location=target)).startswith("it is no URL")


def test_a_redirect_to_nowhere_is_refused(site: Site) -> None:
    assert refused(site.put("/a", status=302)) == "it is moved, and the server does not say where"


def test_redirects_in_a_circle_end(site: Site) -> None:
    assert refused(site.put("/a", status=307, Location="/a")) == "it is moved more than 5 times"
    assert len(site.asked) == 6


def test_a_password_goes_to_the_server_that_it_was_written_for(site: Site) -> None:
    with serving() as other:
        other.put("/b", "A page.")
        site.put("/c", status=302, Location=f"{other.url}/b")
        site.put("/a", status=302, Location="/c")
        url = site.url.replace("://", "://me:se%20cret@") + "/a"
        assert got(url) == b"A page."
        sent = "Basic " + b64encode(b"me:se cret").decode()
        assert [headers.get("authorization") for _, _, headers in site.asked] == [sent, sent]
        assert "authorization" not in other.asked[0][2]


def test_a_name_that_moves_meanwhile_is_not_followed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is resolved once, and what was checked is connected to."""
    real, answers = socket.getaddrinfo, iter(["127.0.0.1", "127.0.0.2"])

    def moving(host: str, *rest: Any, **more: Any) -> Any:
        return real(next(answers) if host == "moving.test" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", moving)
    site.put("/a", "A page.")
    assert got(site.url.replace("127.0.0.1", "moving.test") + "/a") == b"A page."
    assert next(answers) == "127.0.0.2"


def test_what_is_not_there_is_named(site: Site) -> None:
    assert refused(f"{site.url}/none") == "the server answers 404 Not Found"


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        reason = refused(f"http://127.0.0.1:{port}/")
    assert reason == "the server cannot be reached: Connection refused"


def test_a_busy_server_is_asked_again(site: Site) -> None:
    waited: list[float] = []

    def busy(handler: BaseHTTPRequestHandler) -> None:
        site.put("/a", "A page.")
        handler.send_response(429)
        handler.send_header("Retry-After", "3")
        handler.end_headers()

    site.pages["/a"] = busy
    assert got(f"{site.url}/a", Fetcher(fetcher().config, waited.append)) == b"A page."
    assert waited == [3.0]


def test_a_server_that_stays_busy_is_left_alone(site: Site) -> None:
    assert refused(site.put("/a", status=503)) == "the server answers 503 Service Unavailable"
    assert len(site.asked) == 3


def test_nobody_waits_for_an_hour(site: Site) -> None:
    url = site.put("/a", status=429, Retry_After="3600")
    assert refused(url) == "the server answers 429 Too Many Requests"
    assert len(site.asked) == 1


def test_a_page_that_comes_drop_by_drop_is_given_up(site: Site) -> None:
    """Each byte comes in time, and all of them would take for ever."""

    def dripping(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()
        while True:
            handler.wfile.write(b"x")
            time.sleep(0.01)

    site.pages["/a"] = dripping
    assert refused(f"{site.url}/a", fetcher(timeout=0.3)) == "it takes too long"


def test_headers_that_come_drop_by_drop_are_given_up(site: Site) -> None:
    def dripping(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            handler.wfile.write(b"x")
            time.sleep(0.01)

    site.pages["/a"] = dripping
    assert refused(f"{site.url}/a", fetcher(timeout=0.3)) == "it takes too long"


def test_half_a_page_is_none(site: Site) -> None:
    url = site.put("/a", "Half a page", Content_Length="1000")
    assert refused(url) == "it breaks off"


def test_half_a_page_in_chunks_is_none(site: Site) -> None:
    url = site.put("/a", b"5\r\nHalf \r\n", Transfer_Encoding="chunked")
    assert refused(url) == "it breaks off"


def test_packed_pages_are_unpacked(site: Site) -> None:
    text = b"A text that is packed. " * 99_000
    packed = gzip.compress(text)
    assert got(site.put("/a", packed, Content_Encoding="gzip")) == text
    assert refused(site.put("/b", packed[:-9], Content_Encoding="gzip")) == "it breaks off"
    assert refused(site.put("/c", b"no gzip", Content_Encoding="gzip")).startswith("damaged gzip")
    reason = "it comes packed by br, which was not asked for"
    assert refused(site.put("/d", b"x", Content_Encoding="br")) == reason


def test_a_bomb_is_unpacked_in_pieces() -> None:
    bomb = gzip.compress(bytes(100_000_000))
    tracemalloc.start()
    assert sum(map(len, gunzipped(iter([bomb])))) == 100_000_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10_000_000


def test_a_path_is_asked_for_as_it_is_meant(site: Site) -> None:
    site.put("/a%20b/%C3%A9?q=%22x%22", "A page.")
    assert got(f'{site.url}/a b/é?q="x"') == b"A page."


@pytest.mark.parametrize(
    "url",
    [
        "http:///a",
        "http://a..b/",
        "http://[::1/",
        "http://h:x/",
        "http://a b/",
        "http://\udcff/",
        "a",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    assert refused(url).startswith(("it leads to no page", "it is no URL"))


def test_what_is_wrong_with_a_url_is_not_said_with_its_password() -> None:
    assert refused("http://me:sec/ret@host/") == "it is no URL"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that this machine has signed for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    begin = datetime.datetime(2020, 1, 1)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin.replace(year=2120))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Site]:
    with serving(certificate) as site:
        yield site


def test_speaks_tls_to_whom_it_trusts(
    secure: Site, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert got(secure.put("/a", "A page.")) == b"A page."


def test_a_certificate_that_nobody_vouches_for_is_refused(secure: Site) -> None:
    assert "CERTIFICATE_VERIFY_FAILED" in refused(secure.put("/a", "A page."))
    assert secure.asked == []


def test_is_not_led_from_https_to_http(
    secure: Site, site: Site, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    url = secure.put("/a", status=301, Location=site.put("/b", "A page."))
    assert refused(url).startswith("it is moved from https to http")
    assert site.asked == []
