from __future__ import annotations

import socket
from ipaddress import ip_address, ip_network

import pytest

from retrieval.parsing.draft import Unreadable
from retrieval.sources.network import permitted, reachable

PUBLIC = ["8.8.8.8", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808"]
INSIDE = """
    127.0.0.1 127.9.9.9 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1
    240.0.0.1 255.255.255.255 198.18.0.1 203.0.113.1 ::1 :: fe80::1 fc00::1 fec0::1 ff0e::1
    2001:db8::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1
    2002:7f00:1:: 2001:0:7f00:1::
"""


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_may_be_asked(address: str) -> None:
    assert permitted(ip_address(address), [])


@pytest.mark.parametrize("address", INSIDE.split())
def test_what_is_inside_is_shut(address: str) -> None:
    assert not permitted(ip_address(address), [])


def test_what_is_inside_may_be_allowed() -> None:
    allowed = [ip_network("10.1.0.0/16"), ip_network("fc00::/7")]
    assert permitted(ip_address("10.1.2.3"), allowed)
    assert permitted(ip_address("::ffff:10.1.2.3"), allowed)
    assert permitted(ip_address("fc00::1"), allowed)
    assert not permitted(ip_address("10.2.0.1"), allowed)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "017700000001"])
def test_however_it_is_written(host: str) -> None:
    with pytest.raises(Unreadable, match="is not a public address") as refused:
        reachable(host, 80, [])
    assert "retrieval.sources.private_networks" in refused.value.reason


def test_of_several_addresses_only_the_public_ones_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    both = [(0, 0, 0, "", (address, 80)) for address in ("127.0.0.1", "8.8.8.8")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    assert reachable("both.test", 80, []) == ["8.8.8.8"]


def test_a_name_that_is_not_known_says_so() -> None:
    with pytest.raises(Unreadable, match="is not known"):
        reachable("nowhere.invalid", 80, [])
