"""Which addresses may be fetched from: only those of the public network, however they are written.

A name is resolved once and every address it has is looked at; the connection then goes to exactly
the address that was allowed, at every redirect anew. So no answer of a name server, and no
redirect, leads into the network that the worker stands in.
"""

import asyncio
import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

import httpcore2
from typing_extensions import override

Address: TypeAlias = IPv4Address | IPv6Address
Options: TypeAlias = Iterable[
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
]

# Addresses of version 6 that carry one of version 4 inside: NAT64 (RFC 6052); 6to4 is known.
_NAT64 = IPv6Network("64:ff9b::/96")
# What is given out of version 6 (IANA); of version 4, what older Pythons do not know as special.
_GIVEN_OUT = IPv6Network("2000::/3")
_PROTOCOLS = IPv4Network("192.0.0.0/24")


_LOOPBACK_HINT = " In development FETCH_PRIVATE_ADDRESSES=true lets loopback through."


class NotPublic(Exception):
    """The name leads to an address that is not of the public network."""


def unwrapped(address: Address) -> Address:
    """Give the address of version 4 that one of version 6 stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def is_public(address: Address) -> bool:
    """Whether an address, or the one inside it, is of the public network."""
    inner = unwrapped(address)
    if isinstance(inner, IPv4Address):
        special = inner.is_multicast or inner in _PROTOCOLS
    else:
        special = inner not in _GIVEN_OUT
    return inner.is_global and not special


def may_fetch(address: Address, *, private: bool) -> bool:
    """Whether an address may be connected to; `private` lets loopback through, and only that."""
    return is_public(address) or (private and unwrapped(address).is_loopback)


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that were looked at, never to names."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._inner = httpcore2.AnyIOBackend()

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Options | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve a name, look at every address it has, and connect to the first that answers.

        Raises:
            NotPublic: one of them may not be fetched from.

        """
        failure: httpcore2.ConnectError | httpcore2.ConnectTimeout | None = None
        for address in await self._looked_at(host, port):
            try:
                return await self._inner.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError(f"{host} has no address.")

    async def _looked_at(self, host: str, port: int) -> list[Address]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore2.ConnectError(f"{host} has no address.") from error
        # A scope (`fe80::1%eth0`) belongs to a link, which is never public; it is cut to be read.
        addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        for address in addresses:
            if not may_fetch(address, private=self._private):
                hint = _LOOPBACK_HINT if unwrapped(address).is_loopback else ""
                raise NotPublic(f"{host} leads to {address}, which is not a public address.{hint}")
        return list(dict.fromkeys(addresses))
