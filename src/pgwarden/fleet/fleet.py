"""The connections of one session: a path of calls for each, made when it is needed, and which of them is current.

A call takes the current one when it starts and stays on it to its end, whatever is connected, disconnected or
configured meanwhile. What is no longer wanted is closed once its calls have ended.

The files of the configuration are looked at before each call (`watch.py`). When they have changed, calls from then on
run under what they say now; while they are not valid, no call runs.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from pydantic import SecretStr

from pgwarden import settings as settings_module
from pgwarden.audit import AuditLog
from pgwarden.call import CallPath
from pgwarden.catalogue import Category
from pgwarden.connections import ConnectionInfo, Connections, Place
from pgwarden.errors import (
    AuditError,
    ConfigError,
    ConsentError,
    NotFoundError,
    PolicyError,
    WardenError,
    did_you_mean,
)
from pgwarden.fleet.info import describe, where
from pgwarden.fleet.member import AD_HOC, Member, missing, not_connected
from pgwarden.grants import Configuration, Grant, load_configuration
from pgwarden.knowledge import Knowledge
from pgwarden.offers import Offers
from pgwarden.record import Record
from pgwarden.sessions import Activity, Session
from pgwarden.settings import Settings
from pgwarden.source import DatabaseSource, leave_embedded
from pgwarden.watch import Watch

if TYPE_CHECKING:
    from pgwarden.db import Database

log = logging.getLogger(__name__)

_FIXED = ("home", "audit_path", "audit_max_bytes", "audit_keep")
"""Settings that count from the next start on."""
_LOG = "The log on stderr has the cause."


class Fleet:
    """The connections of one session."""

    def __init__(
        self, configuration: Configuration, categories: Sequence[Category], env_file: Path | None = None
    ) -> None:
        """Nothing is connected, opened or started.

        Args:
            configuration: What the files say now.
            categories: The catalogue.
            env_file: The file that the settings were read from as well; None for none.
        """
        self._configuration = configuration
        self._categories = categories
        self._env_file = env_file
        self._state = self._wanted = state = configuration.settings.state
        self._audit = AuditLog(state.audit_file, max_bytes=state.audit_max_bytes, keep=state.audit_keep)
        self._session = Session(Knowledge(state.home / "knowledge"), check=self._check, valid=self._valid)
        self._serials = itertools.count(1)
        self._watch = Watch(_files(env_file, configuration.settings))
        self._reloading = asyncio.Lock()
        self._fault: ConfigError | None = None
        self._members: dict[str, Member] = {}
        self._sources: dict[DatabaseSource, Activity] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._in_force: WeakSet[CallPath] = WeakSet()
        """The paths whose rules are those of the configuration."""
        self.current = self._member(configuration.start)
        self.restart: tuple[str, ...] = ()
        """Variables whose change counts from the next start on."""

    @property
    def consent_timeout(self) -> float:
        """Seconds that a person has to answer a question."""
        return self._configuration.settings.policy.consent_timeout

    @property
    def configuration(self) -> Configuration:
        """What is in force."""
        return self._configuration

    async def refreshed(self) -> Member:
        """Return the current member for a call that starts now, under what the files say now."""
        if self._watch.changed():
            async with self._reloading:
                if self._watch.changed():
                    await self._reload()
        return self.current

    async def drain(self, timeout_s: float) -> None:
        """Wait until no call is running, at most `timeout_s` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                for activity in tuple(self._sources.values()):
                    await activity.rest()

    async def close(self) -> None:
        """End running statements, close all connections, stop an embedded PostgreSQL that nobody else uses."""
        for task in tuple(self._retiring):
            task.cancel()
        await asyncio.gather(*(source.end() for source in tuple(self._sources)), return_exceptions=True)
        await leave_embedded()

    # What the tools ask for.

    def infos(self) -> list[ConnectionInfo]:
        """List the connections, the current one among them."""
        found = [self._info(grant, self._members.get(name)) for name, grant in self._configuration.grants.items()]
        if self.current.passing or self.current.grant.name not in self._configuration.grants:
            found.append(self._info(self.current.grant, self.current))
        return found

    async def database(self, name: str, here: Member) -> tuple[str, Database]:
        """Return the name and the database of a connection; empty: of a call's own.

        Raises:
            NotFoundError: There is no such connection.
        """
        if not name or name == here.place.name:
            return here.place.name, await here.source()
        if name == self.current.place.name:
            return name, await self.current.source()
        self._grant(name)
        return name, await self._member(name).source()

    async def connect(self, name: str) -> ConnectionInfo:
        """Make a connection the current one, once it is seen to work.

        Raises:
            NotFoundError: There is no such connection.
            DatabaseError, PolicyError: It does not work; the current one stays.
        """
        grant = self._grant(name)
        member = self._member(name)
        if member.source.absent:
            member = self._make(grant)
        await self._enter(member)
        return self._info(member.grant, member)

    async def connect_url(self, url: str) -> ConnectionInfo:
        """Likewise for a URL of the caller's, under the policy of the connection `default` at most.

        Raises:
            ArgumentError: The URL is not one of a server that may be connected to.
            PolicyError: The policy allows no such connections.
            DatabaseError: It does not work.
        """
        own = self._configuration.ad_hoc
        if own is None or not self.current.grant.policy.ad_hoc:
            raise PolicyError(
                "The policy allows no connections but those of the configuration.",
                hint="list_connections shows them; connect takes a name.",
            )
        connection = own.settings.connection.model_copy(
            update={"database_url": SecretStr(url), "replica_urls": (), "retry_attempts": 1}
        )
        settings = own.settings.model_copy(update={"connection": connection})
        member = self._make(Grant(AD_HOC, settings, own.policy, own.limits, True))
        await self._enter(member)
        return self._info(member.grant, member)

    async def switch(self, database: str, here: Member) -> ConnectionInfo:
        """Make another database of a call's server the current one.

        Raises:
            NotFoundError: There is none of this name, or it is hidden.
            PolicyError: The role may not connect to it.
            DatabaseError: It cannot be connected to.
        """
        rows = (await (await here.source()).query("connectable_databases")).rows
        known = {name or "": (connectable == "t", current == "t") for name, connectable, current in rows}
        if database not in known:
            near = did_you_mean(database, [name for name, (connectable, _) in known.items() if connectable])
            hint = f"Did you mean {near}?" if near else "list_databases shows them."
            raise NotFoundError(f"There is no database {database!r}.", hint=hint)
        connectable, same = known[database]
        if not connectable:
            raise PolicyError(
                f"The role may not connect to the database {database!r}.",
                code="permission_denied",
                hint="Choose another of list_databases, or tell the owner of the database.",
            )
        if here.path not in self._in_force:
            # Its rules are not those that hold now, and must not come back with it.
            raise _changed()
        own = here.grant.name != AD_HOC and self._info(here.grant, None).database == database
        member = here if same else self._member(here.grant.name) if own else self._make(here.grant, database)
        await self._enter(member)
        return self._info(member.grant, member)

    async def disconnect(self, name: str, here: Member) -> tuple[str, str]:
        """Close the connections of a name (empty: a call's own); return it, and what is current then.

        Raises:
            NotFoundError: There is no such connection.
            NotConnectedError: None is named, and none is the current one.
        """
        if not name and here.source.absent:
            raise here.source.absent()
        name = name or here.grant.name
        at = self.current
        if name not in (at.grant.name, here.grant.name, at.place.name):
            self._grant(name)
        name = at.grant.name if name == at.place.name else name
        gone = [each for each in {self._members.pop(name, None), at, here} if each and each.grant.name == name]
        if name in self._configuration.grants:
            self._members[name] = self._absent(self._configuration.grants[name], f"{name} was disconnected.")
        if at.grant.name == name:
            self.current = self._member(self._configuration.start)
        for member in gone:
            self._retire(member)
        return name, "" if self.current.source.absent else self.current.place.name

    # Members.

    def _grant(self, name: str) -> Grant:
        grants = self._configuration.grants
        if name not in grants:
            near = did_you_mean(name, grants)
            hint = f"Did you mean {near}?" if near else f"One of: {', '.join(grants)}."
            raise NotFoundError(f"There is no connection {name!r}.", hint=hint)
        return grants[name]

    def _member(self, name: str) -> Member:
        if name not in self._members or self._members[name].source.ended:
            self._members[name] = self._make(self._configuration.grants[name])
        return self._members[name]

    def _make(
        self,
        grant: Grant,
        database: str = "",
        *,
        before: Member | None = None,
        absent: Callable[[], WardenError] | None = None,
    ) -> Member:
        """Make a member.

        Args:
            grant: What holds on it.
            database: The database to switch to; empty for the connection's own.
            before: The member in whose place it comes; its database is kept where nothing about that has changed.
            absent: Why there is no database.
        """
        configuration = self._configuration
        settings = grant.settings
        scopes = configuration.caller.scopes
        name = f"{grant.name}/{database}" if database else grant.name
        if grant.name == AD_HOC:
            name = f"{AD_HOC} {where(grant, database)}"
        shown = len(configuration.grants) > 1 or bool(database) or grant.name == AD_HOC
        if absent is None and grant.missing:
            absent = missing(grant)
        parts = (settings, grant.limits, grant.policy, scopes)
        if before is not None and absent is None and before.source.serves(*parts):
            source, activity, serial = before.source, before.activity, before.place.serial
        else:
            source = DatabaseSource(
                *parts,
                named=grant.named,
                database=database,
                absent=absent,
                foreign=grant.name == AD_HOC,
            )
            activity, serial = Activity(), next(self._serials)
        if absent is None:
            self._sources[source] = activity
        seat = _Seat(self)
        path = CallPath(
            self._categories,
            grant.policy,
            grant.limits,
            source,
            self._audit,
            caller=configuration.caller,
            consents=settings.policy,
            state=settings.state,
            session=self._session,
            activity=activity,
            place=Place(name, serial, shown),
            connections=seat,
        )
        self._in_force.add(path)
        seat.member = Member(grant, source, activity, path, Offers(path), database)
        return seat.member

    def _absent(self, grant: Grant, why: str) -> Member:
        return self._make(grant, absent=lambda: not_connected(why))

    async def _enter(self, member: Member) -> None:
        """Make a member the current one, once it is seen to work.

        Raises:
            WardenError: It does not work; nothing has changed.
        """
        configuration = self._configuration
        try:
            database = await member.source()
            await database.bound()
            await database.query("connection_state", primary=True)
            if configuration is not self._configuration or member.source.ended:
                raise _changed()
        except BaseException:
            if member is not self.current and self._members.get(member.grant.name) is not member:
                self._retire(member)
            raise
        before, self.current = self.current, member
        if not member.passing:
            known = self._members.get(member.grant.name)
            self._members[member.grant.name] = member
            if known is not None and known is not member:
                self._retire(known)
        if before is not member and before.passing:
            self._retire(before)

    def _retire(self, member: Member) -> None:
        """Close a member's connections in the background, once its calls have ended and if no other member has them."""
        if member.source not in self._sources:
            return
        task = asyncio.get_running_loop().create_task(self._close_after(member))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _close_after(self, member: Member) -> None:
        await member.activity.rest()
        if all(each.source is not member.source for each in (*self._members.values(), self.current)):
            await member.source.end()
            self._sources.pop(member.source, None)

    def _info(self, grant: Grant, member: Member | None) -> ConnectionInfo:
        return describe(grant, member, current=member is self.current, restart=self.restart)

    # The configuration.

    def _check(self) -> None:
        """Refuse a call while the configuration is not valid.

        Raises:
            ConfigError: It is not.
        """
        if self._fault is not None:
            raise ConfigError(self._fault.message, hint=self._fault.hint, details=self._fault.details)

    async def _valid(self, path: object) -> None:
        """Refuse what a person has agreed to under rules that are no longer in force.

        Raises:
            ConfigError: The configuration is not valid now.
            ConsentError: The path's rules are others now, or its connection is gone.
        """
        await self.refreshed()
        self._check()
        if path not in self._in_force:
            raise ConsentError(
                "The policy was changed while the person was asked; nothing has been done.",
                code="confirmation_expired",
                hint="Repeat the call; it will be judged by what holds now.",
            )

    def _kept(self, settings: Settings) -> Any:
        return settings.state.model_copy(update={name: getattr(self._state, name) for name in _FIXED})

    async def _reload(self) -> None:
        """Read the files again, and put in force what they say."""
        while True:
            await self._watch.settled()
            stamps = self._watch.stamps()
            fault, configuration, files = self._read()
            if self._watch.stamps() == stamps:
                break
        if configuration is None:
            self._watch.look(files)
            self._fault = fault
            log.error("no call runs until the configuration is mended: %s", fault and fault.message)
        else:
            self._watch.accept(files)
            # Should it fail half-way, no call runs.
            self._fault = ConfigError("The configuration was changed and could not be put in force.", hint=_LOG)
            self._apply(configuration)
            self._fault = None
        self._note(files, fault, self._configuration.digest)

    def _read(self) -> tuple[ConfigError | None, Configuration | None, list[Path]]:
        """Return what is wrong, or the configuration; and the files that it is in."""
        files = _files(self._env_file, self._configuration.settings)
        at = self._env_file
        try:
            emptied = self._watch.emptied()
            if emptied is not None:
                at = emptied
                raise ConfigError("The file is empty, and was not before.")
            settings = settings_module.load(self._env_file)
            files = _files(self._env_file, settings)
            at = settings.policy.governance or at
            if at is not None and at.exists() and not at.is_file():
                # A pipe says what it has to say once; reading it again gives nothing, or never ends.
                raise ConfigError("It is not a file that can be read again.", hint="Start the server anew.")
            self._wanted = settings.state
            settings = settings.model_copy(update={"state": self._kept(settings)})
            return None, load_configuration(settings, self._env_file), files
        except ConfigError as exc:
            log.error("%s", exc.message)
            # Patterns of the file may name what is hidden: callers are not told them.
            wrong = re.sub(r"'[^']*'|\"[^\"]*\"", "'…'", exc.message)
            message = f"The configuration was changed and is not valid, so no call runs until it is mended: {wrong}"
            hint = exc.hint or "Tell the person: the owner of this server has to mend the file."
            return ConfigError(message, hint=hint, details={"file": str(at)} if at else None), None, files
        except Exception:
            # A defect of ours must not let calls run on under what is no longer meant.
            log.exception("the configuration could not be read")
            return ConfigError("The configuration was changed and could not be read.", hint=_LOG), None, files

    def _apply(self, configuration: Configuration) -> None:
        before, self._configuration = self._configuration, configuration
        state = self._wanted
        self.restart = tuple(
            settings_module.PREFIX + name.upper()
            for name in _FIXED
            if getattr(state, name) != getattr(self._state, name)
        )
        logging.getLogger().setLevel(state.log_level)
        log.warning("the configuration was changed, and is in force%s", _restarts(self.restart))
        old = self._members
        same = before.caller == configuration.caller and (len(before.grants) > 1) == (len(configuration.grants) > 1)
        self._members = {}
        at = self.current
        for name, member in old.items():
            grant = configuration.grants.get(name)
            if grant is not None:
                self._members[name] = self._renewed(member, grant, same=same)
            elif member is not at:
                self._retire(member)
        self.current = self._after(at, old)
        self._in_force = WeakSet(member.path for member in (*self._members.values(), self.current))

    def _after(self, at: Member, old: dict[str, Member]) -> Member:
        """Return what is current once the configuration was changed: what was, where it is still there."""
        configuration = self._configuration
        if old.get(at.grant.name) is at and at.grant.name in configuration.grants:
            return self._members[at.grant.name]
        if at.grant.name == AD_HOC and configuration.ad_hoc is not None:
            own = configuration.ad_hoc
            settings = own.settings.model_copy(update={"connection": at.grant.settings.connection})
            grant = Grant(AD_HOC, settings, own.policy, own.limits, True)
            return self._renewed(at, grant, same=False)
        if at.database and at.grant.name in configuration.grants:
            return self._renewed(at, configuration.grants[at.grant.name], same=False)
        self._retire(at)
        start = configuration.grants[configuration.start]
        if at.source.absent:
            return self._make(start, absent=at.source.absent)
        return self._absent(start, f"{at.place.name} is no longer in the configuration.")

    def _renewed(self, member: Member, grant: Grant, *, same: bool) -> Member:
        """Return what comes in a member's place under a new configuration; the same where nothing has changed."""
        if member.source.absent and not member.grant.missing:
            return self._make(grant, absent=member.source.absent)
        if same and grant == member.grant:
            return member
        renewed = self._make(grant, member.database, before=member)
        if renewed.source is not member.source:
            self._retire(member)
        return renewed

    def _note(self, files: Sequence[Path], fault: ConfigError | None, digest: str) -> None:
        """Leave a line in the audit."""
        arguments = {"files": ", ".join(map(str, files)), "policy": digest or "none"}
        record = Record("configuration", arguments, known=tuple(arguments), outcome="allowed")
        if fault is not None:
            record.fail(fault)
        caller = self._configuration.caller
        try:
            self._audit.append(record.line(caller.name, caller.scopes.token_id))
        except AuditError as exc:
            log.error("%s", exc.message)


class _Seat(Connections):
    """What the tools of one path see of the fleet."""

    member: Member

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    @property
    def place(self) -> Place:
        return self.member.place

    def summaries(self) -> list[dict[str, Any]]:
        grants = self._fleet.configuration.grants
        return [{**grant.summary, "current": name == self.member.grant.name} for name, grant in grants.items()]

    def infos(self) -> list[ConnectionInfo]:
        return self._fleet.infos()

    async def database(self, name: str = "") -> tuple[str, Database]:
        return await self._fleet.database(name, self.member)

    async def connect(self, name: str) -> ConnectionInfo:
        return await self._fleet.connect(name)

    async def connect_url(self, url: str) -> ConnectionInfo:
        return await self._fleet.connect_url(url)

    async def switch(self, database: str) -> ConnectionInfo:
        return await self._fleet.switch(database, self.member)

    async def disconnect(self, name: str = "") -> tuple[str, str]:
        return await self._fleet.disconnect(name, self.member)


def _files(env_file: Path | None, settings: Settings) -> list[Path]:
    return [path for path in (env_file, settings.policy.governance) if path is not None]


def _changed() -> ConfigError:
    message = "The connections or their policies were changed meanwhile; nothing has been done."
    return ConfigError(message, code="config_changed", hint="Call again.")


def _restarts(names: Sequence[str]) -> str:
    return f"; {', '.join(names)} count from the next start on" if names else ""
