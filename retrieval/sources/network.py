"""Which addresses a name may lead to. A gateway fetches for others, so most of the inside is shut.

Who connects has to connect to what was checked: a name that is resolved twice may have moved.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from retrieval.parsing.draft import Unreadable

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]


class NotPublic(Unreadable):
    """A name leads inside only, and it is not said that it may."""


_NAT64 = ip_network("64:ff9b::/96")


def reachable(host: str, port: int, allowed: Networks) -> list[str]:
    """The addresses of a host that may be connected to. Raises Unreadable where there is none,
    NotPublic where there is one that may not."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreadable(f"the name {host!r} is not known: {error}") from error
    addresses = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    kept = [each for each in addresses if permitted(ip_address(each), allowed)]
    if not kept:
        raise NotPublic(
            f"{host} is not a public address ({', '.join(addresses)}); where it is meant, allow it "
            "by retrieval.sources.private_networks"
        )
    return kept


def permitted(address: Address, allowed: Networks) -> bool:
    """Whether an address is public or expressly allowed."""
    meant = _carried(address) or address
    return _public(meant) or any(each in n for n in allowed for each in (address, meant))


def _public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and (
        # Tunnels: obsolete, and where there is still one it leads to whatever is written inside.
        address.sixtofour or address.teredo or address.is_site_local
    ):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _carried(address: Address) -> IPv4Address | None:
    """The older address that a newer one stands for."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped
