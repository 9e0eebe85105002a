"""Where calls get their database from: made when one first needs it, so that no start ever waits for one."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pgwarden import keys
from pgwarden.errors import UnavailableError, WardenError
from pgwarden.policy import Policy
from pgwarden.policy.scopes import UNLIMITED, Scopes
from pgwarden.settings import LIBPQ_VARIABLES, LimitSettings, Settings

if TYPE_CHECKING:
    from pgwarden.db import Database
    from pgwarden.db.recorder import Recorder

_UNDO = {"undo", "undo_days", "undo_max_bytes", "undo_max_change_bytes"}
"""Settings of what keeps rows as they were, which a database has from its start."""


class Absent:
    """Stands in for a database that there is not: whatever is asked of it raises the reason.

    So a call that needs no database works without one, and no tool has to say whether it does.
    """

    transaction = None
    """There is none to be in."""

    def __init__(self, reason: Callable[[], WardenError]) -> None:
        """Take what makes the error to raise."""
        self._reason = reason

    def __getattr__(self, name: str) -> Any:
        """Raise the reason."""
        raise self._reason()


class DatabaseSource:
    """Makes the database when a call first needs it, so that no start ever waits for one."""

    def __init__(
        self,
        settings: Settings,
        limits: LimitSettings,
        rules: Policy,
        scopes: Scopes = UNLIMITED,
        *,
        named: bool = False,
        database: str = "",
        absent: Callable[[], WardenError] | None = None,
        foreign: bool = False,
    ) -> None:
        """Take the connection from the settings, else from libpq's variables, else start an embedded PostgreSQL.

        Args:
            settings: Where it is, and how connections are kept.
            limits: Caps in force.
            rules: The policy in force.
            scopes: What the caller's token grants.
            named: Whether the settings are to be taken as they are, and nothing else.
            database: In place of the one that the settings name.
            absent: Why there is no database here.
            foreign: Whether the URL is the caller's: it is held to what may be connected to so.
        """
        self._settings = settings
        self._limits = limits
        self._policy = rules
        self._scopes = scopes
        self._named = named
        self._name = database
        self.absent = absent
        """Why there is no database here; None where there is one."""
        self._foreign = foreign
        self.ended = False
        """Whether its connections were closed for good."""
        self._lock = asyncio.Lock()
        self._database: Database | None = None

    def serves(self, settings: Settings, limits: LimitSettings, rules: Policy, scopes: Scopes) -> bool:
        """Tell whether the database would be the same under other settings: nothing of what it is made of differs."""
        return self.absent is None and (
            self._made_of(settings, limits, rules, scopes)
            == self._made_of(self._settings, self._limits, self._policy, self._scopes)
        )

    @staticmethod
    def _made_of(settings: Settings, limits: LimitSettings, rules: Policy, scopes: Scopes) -> tuple[object, ...]:
        required = settings.policy.require_least_privilege
        undo = settings.state.model_dump(include=_UNDO)
        connection, caps = settings.connection.model_dump(), limits.model_dump()
        return connection, caps, rules.objects, rules.writes, scopes, required, undo

    @property
    def made(self) -> Database | None:
        """The database, where it was needed already."""
        return self._database

    async def __call__(self) -> Database:
        """Return the database, which connects when it is first asked something; or what stands in where there is none.

        Raises:
            UnavailableError: The embedded PostgreSQL did not start.
            ArgumentError: The caller's URL is not one that may be connected to.
        """
        if self.absent is not None:
            return cast("Database", Absent(self.absent))
        if self._database is None:
            async with self._lock:
                if self._database is None:
                    self._database = await self._make()
        return self._database or cast("Database", Absent(_unconfigured))

    async def end(self) -> None:
        """End running statements, and close all connections for good."""
        self.ended = True
        if self._database is not None:
            await self._database.close()

    async def close(self) -> None:
        """Do that, and stop an embedded PostgreSQL that nobody else uses."""
        await self.end()
        await leave_embedded()

    async def _make(self) -> Database | None:
        from pgwarden.db import Database, adhoc

        connection = self._settings.connection
        conninfo = None
        if self._foreign:
            assert connection.database_url is not None
            conninfo = await adhoc.conninfo(connection.database_url.get_secret_value())
        elif (
            not self._named
            and connection.database_url is None
            and not any(os.environ.get(name) for name in LIBPQ_VARIABLES)
        ):
            conninfo = await self._embedded()
            if conninfo is None:
                return None
        return Database(
            connection,
            self._limits,
            conninfo=conninfo,
            require_least_privilege=self._settings.policy.require_least_privilege
            and (conninfo is None or self._foreign),
            writes=self._policy.writes,
            scopes=self._scopes,
            rules=self._policy.objects,
            mask_key=keys.make(self._settings.state.home / "mask.key") if self._policy.objects.hashes else b"",
            database=self._name,
            recorder=self._recorder() if self._policy.writes else None,
        )

    def _recorder(self) -> Recorder | None:
        """Return what keeps rows as they were, where that is wanted."""
        from pgwarden.db.recorder import Recorder
        from pgwarden.undo import Journal

        state = self._settings.state
        if state.undo == "off":
            return None
        journal = Journal(state.undo_folder, days=state.undo_days, max_bytes=state.undo_max_bytes)
        return Recorder(journal, self._scopes.token_id or "stdio", state.undo_max_change_bytes)

    async def _embedded(self) -> str | None:
        """Return the URL of the embedded server; None where there is none to start."""
        from pgwarden.providers.local import binaries, embedded

        if not binaries.find_all():
            return None
        return await embedded.embedded_url(self._settings.state.home)


async def leave_embedded() -> None:
    """Leave the embedded PostgreSQL, if there is one; it stops with the last process that uses it."""
    # Only if it was ever imported can there be one.
    if (module := sys.modules.get("pgwarden.providers.local.embedded")) is not None:
        await module.release()


def _unconfigured() -> WardenError:
    return UnavailableError(
        "No database is configured.",
        hint="Set PGWARDEN_DATABASE_URL, or install the extra: pip install 'pgwarden[embedded]'.",
    )
