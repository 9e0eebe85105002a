"""URLs of the caller's: which servers may be connected to by one, and with nothing of this machine's own.

Whoever gives the URL chooses the server, so nothing that belongs to others may be sent there: no password of PGPASSWORD
or .pgpass, no key or ticket of this account. And it must not be one of the addresses that answer to this machine alone:
those of cloud metadata services, link-local ones, and the sockets of this machine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgwarden.errors import ArgumentError, UnavailableError

_ALLOWED = frozenset({"host", "port", "user", "password", "dbname", "sslmode"})
_METADATA = frozenset(
    map(ipaddress.ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
"""Addresses of metadata services that are not link-local."""
_LONGEST = 2_000
_NOWHERE = "/dev/null/none"
"""A path that no file can have."""

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


async def conninfo(url: str) -> str:
    """Return the connection string for a URL of the caller's, with the host's address fixed.

    Args:
        url: `postgresql://user:password@host:port/database`.

    Raises:
        ArgumentError: It is no such URL, or says more than that, or its host is not one to connect to.
        UnavailableError: The host's name is not known.
    """
    given = _parse(url)
    port = int(given.get("port") or 5432)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(given["host"], port, type=socket.SOCK_STREAM)
    except OSError:
        raise UnavailableError(
            "The host's name is not known.", code="host_unknown", hint="Check the host's name in the URL."
        ) from None
    addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    if not addresses or not all(map(_allowed, addresses)):
        raise _refused("This host may not be connected to: its address is link-local, or of a metadata service.")
    ours = {
        # An empty password keeps libpq from its own; `hostaddr` keeps the name from meaning another address later.
        "password": given.get("password", ""),
        "passfile": _NOWHERE,
        "hostaddr": str(addresses[0]),
        "port": str(port),
        "sslcert": _NOWHERE,
        "sslkey": _NOWHERE,
        "gssencmode": "disable",
        "options": "",
    }
    return make_conninfo("", **(given | ours))


def _parse(url: str) -> dict[str, str]:
    """Return the parts of a URL.

    Raises:
        ArgumentError: It cannot be read, or has other parts.
    """
    if len(url) > _LONGEST or not url.startswith(("postgresql://", "postgres://")):
        raise _refused("This is no URL of a PostgreSQL server.")
    try:
        given = {key: str(value) for key, value in conninfo_to_dict(url).items()}
    except (psycopg.Error, ValueError):
        # libpq's message would quote a part of it, which may be the password.
        raise _refused("The URL cannot be read.") from None
    host, port = given.get("host", ""), given.get("port") or "5432"
    more = sorted(given.keys() - _ALLOWED)
    if more:
        raise _refused(f"The URL must not have {', '.join(more)}.")
    if not host or not given.get("user") or not given.get("dbname") or host[0] in "/@" or "," in host:
        raise _refused("The URL must name a user, one host and a database.")
    if not port.isascii() or not port.isdecimal() or not 0 < int(port[:6]) < 65_536:
        raise _refused("The port is not a number from 1 to 65535.")
    return given


def _allowed(address: Ip) -> bool:
    """Tell whether an address may be connected to, also where it is written as another version's."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is not None and not _allowed(inner):
            return False
    unusual = address.is_link_local or address.is_multicast or address.is_unspecified
    return not (unusual or address in _METADATA or str(address) == "255.255.255.255")


def _refused(message: str) -> ArgumentError:
    return ArgumentError(
        message, code="url_refused", hint="Write postgresql://user:password@host:port/database, and ?sslmode=... only."
    )
