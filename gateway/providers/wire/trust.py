"""Whom a connection trusts, and as whom it presents itself: TLS with verification, always."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path


@cache
def usual() -> ssl.SSLContext:
    """By the machine's certificates and without one of our own: shared by all who want no more."""
    return context()


def context(
    ca_file: Path | None = None, certificate: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """By the machine's certificates, or by the file's alone. Reads files, which takes a while.

    Raises OSError (an SSLError is one) where a file cannot be used.
    """
    made = ssl.create_default_context(cafile=ca_file)
    made.set_alpn_protocols(["http/1.1"])
    if certificate:
        # Without an answer here OpenSSL would ask for a passphrase at the terminal, for ever.
        made.load_cert_chain(certificate, key, password=lambda: b"")
    return made
