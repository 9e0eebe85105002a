"""How connections are listed: where they are, without anything that is a secret."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pgwarden.connections import ConnectionInfo
from pgwarden.fleet.member import Member
from pgwarden.grants import Grant
from pgwarden.settings import LIBPQ_VARIABLES

_EMBEDDED = "pgwarden"
"""The database of the embedded server."""


def describe(grant: Grant, member: Member | None, *, current: bool, restart: Sequence[str]) -> ConnectionInfo:
    """Return how a connection is listed.

    Args:
        grant: What the configuration says of it.
        member: The same where it is in use.
        current: Whether it is the current one.
        restart: Variables whose change counts from the next start on.
    """
    from pgwarden.db.connect import Address, Connector

    # What it is like now, where it was made; else what the configuration says.
    connection, database = grant.settings.connection, member.database if member else ""
    url = connection.database_url.get_secret_value() if connection.database_url else ""
    made = member.source.made if member else None
    embedded = not grant.named and not url and not _libpq()
    address: Address | None = Address("embedded", "", database or _EMBEDDED) if embedded else None
    note = f"the variable {grant.missing} is not set" if grant.missing else ""
    if not embedded and not note:
        address = Connector(url, connection, database).address()
        note = "" if address else "the settings cannot be read"
    if address and address.service:
        note = f"service {address.service}"
    gone = member is not None and member.source.absent is not None and not grant.missing
    if gone:
        note = "disconnected"
    if current and restart:
        note = "; ".join(filter(None, (note, f"needs a restart: {', '.join(restart)}")))
    address = address or Address()
    return ConnectionInfo(
        name=member.place.name if member else grant.name,
        current=current and not gone,
        host=address.host,
        port=address.port,
        database=address.database,
        sql_profile=grant.policy.sql_profile,
        tool_profile=grant.policy.tool_profile,
        connected=bool(made and made.servers.connected),
        replicas=len(connection.replica_urls),
        note=note,
    )


def where(grant: Grant, database: str) -> str:
    """Return where a URL of the caller's leads, without secrets."""
    from pgwarden.db.connect import Connector

    url = grant.settings.connection.database_url
    address = Connector(url.get_secret_value() if url else "", grant.settings.connection, database).address()
    return f"{address.host}:{address.port}/{address.database}"[:200] if address else ""


def _libpq() -> bool:
    return any(os.environ.get(name) for name in LIBPQ_VARIABLES)
