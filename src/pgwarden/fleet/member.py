"""A connection that is in use, and why one is not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pgwarden.call import CallPath
from pgwarden.connections import Place
from pgwarden.errors import NotConnectedError, UnavailableError, WardenError
from pgwarden.grants import Grant
from pgwarden.offers import Offers
from pgwarden.sessions import Activity
from pgwarden.source import DatabaseSource

AD_HOC = "ad-hoc"
"""The name of a connection to a URL of the caller's."""


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """A connection that is in use: what holds on it, its database, and the way that calls take."""

    grant: Grant
    source: DatabaseSource
    activity: Activity
    path: CallPath
    offers: Offers
    database: str = ""
    """The database that was switched to; empty for the connection's own."""

    @property
    def place(self) -> Place:
        """Where its calls run."""
        return self.path.place

    @property
    def passing(self) -> bool:
        """Whether it goes when another one becomes current: it is none of the configuration's."""
        return bool(self.database) or self.grant.name == AD_HOC


def missing(grant: Grant) -> Callable[[], WardenError]:
    """Return what makes the error for a connection whose variable is not set."""

    def reason() -> WardenError:
        message = f"The variable {grant.missing}, which has the URL of the connection {grant.name}, is not set."
        error = UnavailableError(message, code="connection_settings_invalid", hint="Tell the owner of this server.")
        error.retryable = False  # type: ignore[misc]  # of this one, not of the class
        return error

    return reason


def not_connected(why: str) -> NotConnectedError:
    """Return the error for calls that need a database while no connection is the current one."""
    return NotConnectedError(
        f"No connection is the current one: {why}", hint="Call connect; list_connections shows the names."
    )
