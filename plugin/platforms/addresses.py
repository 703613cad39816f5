"""Which network addresses a call of ours may reach: public ones, and nothing that lies inside.

A name is resolved once, every answer is checked, and the connection goes to a checked answer: a
name that points elsewhere on the second look (DNS rebinding) gains nothing. Opens no connection.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Resolver = Callable[[str, int], Sequence[str]]
"""From host and port to addresses. Raises OSError where the name is not known."""

_NAT64 = ip_network("64:ff9b::/96")


class AddressRefused(Exception):
    """A name leads inside. Carries no address: an error that does would map our network."""


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver. Its own time-outs apply."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_public(address: str) -> bool:
    """True for an address on the open internet; false for all others and for what is no address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    carried = _carried(parsed)
    return _is_open(parsed) if carried is None else _is_open(carried)


def public_addresses(host: str, port: int, resolver: Resolver) -> tuple[str, ...]:
    """Return all addresses of `host`. Raises AddressRefused when one is not public, else OSError.

    One bad answer spoils the rest: a name that mixes public and private addresses is an attack.
    """
    addresses = tuple(resolver(host, port))
    if not all(is_public(address) for address in addresses):
        raise AddressRefused
    return addresses


def _is_open(address: IPv4Address | IPv6Address) -> bool:
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not getattr(address, "is_site_local", False)
    )


def _carried(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a translator or tunnel would take out of an IPv6 one."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
