"""A URL as it may be shown: in reports, errors and logs, without the name and password in it."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit


def without_password(url: str) -> str:
    """The same URL, without name and password; what cannot be split is cut up to its last @.

    A password that is not written as it has to be may hold any sign."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # nothing else checks it
    except ValueError:
        scheme, slashes, rest = url.partition("://")
        return scheme + slashes + rest.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
