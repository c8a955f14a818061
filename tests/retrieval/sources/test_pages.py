from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from http.server import BaseHTTPRequestHandler

import pytest

from retrieval.parsing.draft import Unreadable
from retrieval.parsing.formats import Limits
from retrieval.sources.fetching import Fetcher
from retrieval.sources.pages import Page, item, name, stamp
from retrieval.sources.types import Item, Listing
from tests.retrieval.sources.web import Site, fetcher


def one(url: str, limits: Limits | None = None) -> Item:
    (found,) = Page(url, fetcher(), limits or Limits()).items(Listing())
    return found


def test_a_page_is_known_by_its_url(site: Site) -> None:
    found = one(site.put("/docs/intro", "<p>Hello.</p>", Content_Type="text/html", ETag='"1"'))
    assert found.source == f"{site.url}/docs/intro"
    assert found.name == "intro.html"
    assert found.meta == {"url": f"{site.url}/docs/intro"}
    assert found.stamp == '"1"'
    assert found.foreign
    assert found.read() == b"<p>Hello.</p>"


def test_it_is_listed_without_being_read(site: Site) -> None:
    one(site.put("/a.md", "Hello."))
    assert [method for method, _, _ in site.asked] == ["HEAD"]


def test_a_password_is_no_part_of_its_name(site: Site) -> None:
    site.put("/a.md", "Hello.")
    found = one(site.url.replace("://", "://me:secret@") + "/a.md#part")
    assert found.source == f"{site.url}/a.md"
    assert found.read() == b"Hello."
    assert not found.portable


def test_it_can_be_sent_away_and_read_there(site: Site) -> None:
    url = site.put("/a.md", "Hello.")
    (found,) = Page(url, Fetcher(fetcher().config)).items(Listing())
    assert found.portable
    assert pickle.loads(pickle.dumps(found)).read() == b"Hello."
    assert "secret" not in repr((found.source, found.name, found.shown, found.meta))


@pytest.mark.parametrize(
    ("url", "content_type", "named"),
    [
        ("https://host/a.pdf", "application/pdf", "a.pdf"),
        ("https://host/a.pdf", "application/octet-stream", "a.pdf"),
        ("https://host/get?id=7", "application/pdf", "get.pdf"),
        ("https://host/README.md", "text/plain; charset=utf-8", "README.md"),
        ("https://host/README.md", "text/html", "README.html"),
        ("https://host/index.php", "text/html; charset=UTF-8", "index.html"),
        ("https://host/list", "text/csv", "list.csv"),
        ("https://host/notes", "text/plain", "notes.txt"),
        ("https://host/a%20page.HTML", "text/html", "a page.HTML"),
        ("https://host.md/", "text/html", "host.html"),
        ("https://host.md/", "", "host.md.html"),
        ("https://host/v1.2", "", "v1.2.html"),
    ],
)
def test_a_format_is_what_the_server_says_or_the_address(
    url: str, content_type: str, named: str
) -> None:
    assert name(url, content_type) == named


def test_a_server_that_knows_no_head_is_asked_in_full(site: Site) -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(405 if handler.command == "HEAD" else 200)
        handler.send_header("Content-Type", "text/markdown")
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(b"Hello.")

    site.pages["/a"] = page
    found = one(f"{site.url}/a")
    assert (found.name, found.read()) == ("a.md", b"Hello.")


def test_a_page_that_is_not_there_is_an_item_that_cannot_be_read(site: Site) -> None:
    """So that what was read of it before is kept."""
    found = one(f"{site.url}/gone.md")
    with pytest.raises(Unreadable, match="the server answers 404 Not Found"):
        found.read()


def test_a_page_that_has_become_another_kind_says_so(site: Site) -> None:
    found = one(site.put("/a.pdf", b"%PDF-", Content_Type="application/pdf"))
    site.put("/a.pdf", "Sign in.", Content_Type="text/html")
    with pytest.raises(Unreadable, match=r"the server sends text/html, which a\.pdf is not"):
        found.read()


def test_a_page_that_is_too_large_is_not_read(site: Site) -> None:
    url = site.put("/a.md", "Hello.", Content_Length="300000000")
    with pytest.raises(Unreadable, match="too large: 300 MB, the limit is 200 MB"):
        one(url).read()


def test_a_page_that_unpacks_to_too_much_is_not_unpacked(site: Site) -> None:
    body = gzip.compress(b"Line of text.\n" * 1_000_000)
    url = site.put("/a.md", body, Content_Encoding="gzip")
    with pytest.raises(Unreadable, match="too large: more than 2 MB"):
        one(url, Limits(file=2_000_000)).read()


def test_an_archive_is_looked_into(site: Site) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("deep/a.md", "Hello.")
        archive.writestr("deep/a.md.meta.toml", 'supersedes = "b.md"\nyear = 1')
    url = site.put("/docs.zip", packed.getvalue())
    found = one(url)
    assert found.source == f"{url}/deep/a.md"
    assert found.read() == b"Hello."
    # Anybody may have written all of it, also what lies beside a document: it hides no other.
    assert (found.foreign, found.meta) == (True, {"year": 1})


def test_an_archive_that_is_not_there_cannot_be_listed(site: Site) -> None:
    listing = Listing()
    assert list(Page(f"{site.url}/none.zip", fetcher()).items(listing)) == []
    assert listing.unlisted == [(f"{site.url}/none.zip", "the server answers 404 Not Found")]


def test_a_time_of_change_that_may_come_twice_is_no_stamp() -> None:
    changed = "Sun, 22 Nov 2026 10:00:00 GMT"
    now, later = "Sun, 22 Nov 2026 10:00:01 GMT", "Sun, 22 Nov 2026 10:05:00 GMT"
    assert stamp({"last-modified": changed, "date": later}) == changed
    assert stamp({"last-modified": changed, "date": now}) == ""
    assert stamp({"last-modified": changed}) == ""
    assert stamp({"last-modified": "yesterday", "date": now}) == ""
    assert stamp({"last-modified": now.replace("20", "9" * 20, 1), "date": now}) == ""


def test_many_pages_may_be_asked_about(site: Site) -> None:
    urls = [site.put(f"/{i}", "Text.", Content_Type="text/plain") for i in range(3)]
    assert [item(fetcher(), url).name for url in urls] == ["0.txt", "1.txt", "2.txt"]
