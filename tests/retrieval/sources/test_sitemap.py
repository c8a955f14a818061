from __future__ import annotations

import gzip
from datetime import UTC, datetime

import pytest

from retrieval.parsing.draft import Unreadable
from retrieval.sources.sitemap import Sitemap, is_sitemap
from retrieval.sources.types import Item, Listing
from tests.retrieval.sources.web import Site, fetcher

NOW = datetime(2026, 11, 22, tzinfo=UTC)
SPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def urlset(*urls: str, more: str = "") -> str:
    lines = "".join(f"<url><loc>{url}</loc>{more}</url>" for url in urls)
    return f'<?xml version="1.0"?><urlset {SPACE}>{lines}</urlset>'


def index(*urls: str) -> str:
    lines = "".join(f"<sitemap><loc>{url}</loc></sitemap>" for url in urls)
    return f"<sitemapindex {SPACE}>{lines}</sitemapindex>"


def items(url: str, listing: Listing | None = None, **settings: object) -> list[Item]:
    return list(Sitemap(url, fetcher(**settings), NOW).items(listing or Listing()))


def sources(url: str, listing: Listing | None = None, **settings: object) -> list[str]:
    return [found.source for found in items(url, listing, **settings)]


def test_its_pages_are_items(site: Site) -> None:
    pages = [site.put(f"/{name}", "<p>Hello.</p>", Content_Type="text/html") for name in "ab"]
    found = items(site.put("/sitemap.xml", urlset(*pages, pages[0] + "#part")))
    assert [each.source for each in found] == pages
    assert [each.read() for each in found] == [b"<p>Hello.</p>"] * 2
    assert found[0].meta == {"url": pages[0]}
    assert all(each.foreign for each in found)


def test_a_page_of_which_the_sitemap_says_enough_is_not_asked_about(site: Site) -> None:
    page = site.put("/a.php", "<p>Hello.</p>", Content_Type="text/html")
    more = "<lastmod>2026-11-01</lastmod>"
    (found,) = items(site.put("/sitemap.xml", urlset(page, more=more)))
    assert (found.stamp, found.name, found.foreign) == ("2026-11-01", "a.html", True)
    assert site.paths("HEAD") == []
    assert found.read() == b"<p>Hello.</p>"


def test_a_page_that_may_change_again_today_is_asked_about(site: Site) -> None:
    page = site.put("/a", "<p>Hello.</p>", ETag='"7"')
    more = "<lastmod>2026-11-22</lastmod>"
    (found,) = items(site.put("/sitemap.xml", urlset(page, more=more)))
    assert found.stamp == '"7"'


def test_an_index_leads_to_its_sitemaps(site: Site) -> None:
    page = site.put("/a", "<p>Hello.</p>")
    packed = site.put("/two.xml.gz", gzip.compress(urlset(f"{site.url}/b").encode()))
    url = site.put("/sitemap.xml", index(site.put("/one.xml", urlset(page)), packed))
    assert sources(url) == [page, f"{site.url}/b"]


def test_pages_of_other_hosts_are_left_out(site: Site) -> None:
    listing = Listing()
    elsewhere = ["http://169.254.169.254/a", "https://example.org/b", "file:///etc/passwd"]
    assert sources(site.put("/sitemap.xml", urlset(*elsewhere)), listing) == []
    assert listing.skipped == [(url, "on another host") for url in elsewhere]


def test_pictures_of_a_page_are_no_pages(site: Site) -> None:
    picture = (
        '<i:image xmlns:i="http://www.google.com/schemas/sitemap-image/1.1">'
        f"<i:loc>{site.url}/a.png</i:loc></i:image>"
    )
    url = site.put("/sitemap.xml", urlset(f"{site.url}/a", more=picture))
    assert sources(url) == [f"{site.url}/a"]


def test_what_robots_txt_forbids_is_left_out(site: Site) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /private/\n")
    url = site.put("/sitemap.xml", urlset(f"{site.url}/private/a", f"{site.url}/b"))
    listing = Listing()
    assert sources(url, listing) == [f"{site.url}/b"]
    assert listing.skipped == [(f"{site.url}/private/a", "not allowed by robots.txt")]
    assert len(sources(url, robots=False)) == 2


def test_where_robots_txt_cannot_be_had_nothing_is_read(site: Site) -> None:
    site.put("/robots.txt", status=500)
    listing = Listing()
    assert sources(site.put("/sitemap.xml", urlset(f"{site.url}/a")), listing) == []
    assert listing.unlisted[0][1] == "robots.txt: the server answers 500 Internal Server Error"


@pytest.mark.parametrize("line", ["Disallow: //[x", "Crawl-delay: ²"])
def test_where_robots_txt_cannot_be_understood_nothing_is_read(site: Site, line: str) -> None:
    site.put("/robots.txt", f"User-agent: *\n{line}\n")
    listing = Listing()
    assert sources(site.put("/sitemap.xml", urlset(f"{site.url}/a")), listing) == []
    assert listing.unlisted[0][1].startswith("robots.txt: it cannot be understood")


@pytest.mark.parametrize("page", ["http://[", "http://a b/"])
def test_a_page_that_leads_nowhere_does_not_end_the_others(site: Site, page: str) -> None:
    urls = [site.put("/a", status=302, Location=page), site.put("/b", "<p>Hello.</p>")]
    found = items(site.put("/sitemap.xml", urlset(*urls)))
    with pytest.raises(Unreadable, match="it is no URL"):
        found[0].read()
    assert found[1].read() == b"<p>Hello.</p>"


def test_a_password_is_not_reported(site: Site) -> None:
    site.put("/robots.txt", "User-agent: *\nDisallow: /a\n")
    site.put("/sitemap.xml", urlset(f"{site.url}/a", "http://me:secret@other/", "http://me:x/y@z/"))
    listing = Listing()
    url = site.url.replace("://", "://me:secret@")
    assert sources(f"{url}/sitemap.xml", listing) == []
    assert sources(f"{url}/none.xml", listing) == []
    assert [name for name, _ in listing.unlisted] == [f"{site.url}/none.xml"]
    assert "@" not in str(listing)


def test_more_pages_than_were_meant_are_told(site: Site) -> None:
    url = site.put("/sitemap.xml", urlset(*(f"{site.url}/{i}" for i in range(5))))
    listing = Listing()
    assert len(sources(url, listing, sitemap_pages=3)) == 3
    assert listing.unlisted == [(url, "more than 3 pages: see retrieval.sources.sitemap_pages")]


def test_sitemaps_that_lead_to_each_other_come_to_an_end(site: Site) -> None:
    url = f"{site.url}/sitemap.xml"
    site.put("/sitemap.xml", index(url, url))
    listing = Listing()
    assert sources(url, listing) == []
    assert listing.unlisted == [(url, "too many sitemaps of sitemaps")]
    assert len(site.paths()) < 20


LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
    "<urlset><url><loc>http://127.0.0.1/&b;</loc></url></urlset>"
)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html><body>Not found</body></html>", "no sitemap: it begins with <html>"),
        (b"<urlset><url>", "no sitemap: no element found"),
        (b"nothing", "no sitemap: syntax error"),
        (b'<?xml version="1.0" encoding="big5"?><urlset/>', "no sitemap: multi-byte encodings"),
        (b'<?xml version="1.0" encoding="none"?><urlset/>', "no sitemap: unknown encoding"),
        (LAUGHS.encode(), "no sitemap: it has a DTD, which none needs"),
        (b"<urlset><url><loc>" + b"x" * 9_000, "it lists an address without an end"),
        (
            gzip.compress(b"<urlset>" + b"<url><loc>http://a/</loc></url>" * 60_000),
            "too large: more than 52 MB or 50,000 lines",
        ),
        (
            gzip.compress(b"<urlset>" + b" " * 60_000_000),
            "too large: more than 52 MB or 50,000 lines",
        ),
    ],
)
def test_what_is_no_sitemap_says_so(site: Site, body: bytes, reason: str) -> None:
    listing = Listing()
    url = site.put("/sitemap.xml", body)
    assert sources(url, listing) == []
    assert listing.unlisted[0][0] == url
    assert listing.unlisted[0][1].startswith(reason)


def test_a_sitemap_is_known_by_its_address() -> None:
    assert is_sitemap("https://host/sitemap.xml")
    assert is_sitemap("https://host/maps/pages.xml.gz?page=1")
    assert not is_sitemap("https://host/page.html")
