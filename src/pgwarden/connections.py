"""Named connections as the tools see them: which there are, which is the current one, and how it is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pgwarden.db import Database


@dataclass(frozen=True, slots=True)
class Place:
    """Where calls run.

    Attributes:
        name: The connection's name, with the database where that was switched: "staging", "staging/reports".
        serial: A number that no other place of this process has, nor this name once it stands for another database.
        shown: Whether people are told the name: where it is not the only connection.
    """

    name: str = "default"
    serial: int = 0
    shown: bool = False

    @property
    def label(self) -> str:
        """The name where people are told it, else nothing."""
        return self.name if self.shown else ""


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """A connection as it is listed; nothing of it is a secret.

    Attributes:
        name: Its name; with the database where that was switched.
        current: Whether calls run on it now.
        host, port, database: Where it is, as far as the settings say.
        sql_profile, tool_profile: What holds there.
        connected: Whether there is an open connection to it.
        replicas: How many replicas are configured.
        note: Something unusual.
    """

    name: str
    current: bool
    host: str
    port: str
    database: str
    sql_profile: str
    tool_profile: str
    connected: bool
    replicas: int
    note: str = ""


class Connections(Protocol):
    """The connections of one session, seen from a call that runs on one of them."""

    @property
    def place(self) -> Place:
        """Where this call runs."""

    def summaries(self) -> list[dict[str, Any]]:
        """Return what holds on each connection, in short."""

    def infos(self) -> list[ConnectionInfo]:
        """List the connections, the current one among them."""

    async def database(self, name: str = "") -> tuple[str, Database]:
        """Return the name and the database of a connection; empty: of this call's.

        Raises:
            NotFoundError: There is no such connection; the hint names the nearest.
        """

    async def connect(self, name: str) -> ConnectionInfo:
        """Make a connection the current one, once it is seen to work.

        Raises:
            NotFoundError: There is no such connection.
            DatabaseError, PolicyError: It does not work; the current one stays.
        """

    async def connect_url(self, url: str) -> ConnectionInfo:
        """Likewise for a URL of the caller's.

        Raises:
            ArgumentError: The URL is not one of a server that may be connected to.
            PolicyError: The policy allows no such connections.
            DatabaseError: It does not work.
        """

    async def switch(self, database: str) -> ConnectionInfo:
        """Make another database of this call's server the current one.

        Raises:
            NotFoundError: There is none of this name, or it is hidden.
            DatabaseError, PolicyError: It cannot be connected to.
        """

    async def disconnect(self, name: str = "") -> tuple[str, str]:
        """Close the connections of a name (empty: this call's); return it, and what is current then (empty: nothing).

        Raises:
            NotFoundError: There is no such connection.
        """
