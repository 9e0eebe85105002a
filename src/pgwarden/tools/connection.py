"""Which database calls run on: category `connection`.

The tools see names and addresses, and never a password but the one that get_connection_string is asked for.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from pgwarden.catalogue import Tier, tool
from pgwarden.connections import ConnectionInfo, Connections
from pgwarden.context import Context
from pgwarden.errors import ArgumentError, NotFoundError, NotSupportedError, WardenError, did_you_mean
from pgwarden.results import Ack, Column, Plan, Report, Rows

if TYPE_CHECKING:
    from pgwarden.db import Database, TargetStatus

SCOPE = "database:read"
NAME_CHARS = 128

Name = Annotated[str, Field(max_length=NAME_CHARS, description="From list_connections.")]
Here = Annotated[str, Field(max_length=NAME_CHARS, description="Default: the current one.")]


@tool(tier=Tier.READ, scope=SCOPE)
async def list_connections(ctx: Context) -> Rows:
    """List the databases that calls can run on, by name; one is the current one."""
    names = (
        "connection",
        "current",
        "host",
        "port",
        "database",
        "sql_profile",
        "tool_profile",
        "connected",
        "replicas",
    )
    return Rows(
        tuple(Column(name) for name in (*names, "note")),
        [
            (
                info.name,
                _yes(info.current),
                info.host,
                info.port,
                info.database,
                info.sql_profile,
                info.tool_profile,
                _yes(info.connected),
                str(info.replicas),
                info.note or None,
            )
            for info in _connections(ctx).infos()
        ],
    )


@tool(tier=Tier.READ, scope=SCOPE, changes=True, optional={"url": "ad_hoc"})
async def connect(
    ctx: Context,
    connection: Name = "",
    url: Annotated[str, Field(max_length=2_000, description="Or a libpq URL.")] = "",
) -> Ack:
    """Make a connection the current one: later calls run on it, under its policy. If that fails nothing changes."""
    if bool(connection) is bool(url):
        known = ", ".join(info.name for info in _connections(ctx).infos())
        raise ArgumentError("Name one connection.", hint=f"One of: {known}.")
    connections = _connections(ctx)
    return _now(await (connections.connect_url(url) if url else connections.connect(connection)))


@tool(tier=Tier.READ, scope=SCOPE, changes=True)
async def disconnect(ctx: Context, connection: Here = "") -> Ack:
    """Close a connection once its calls have ended. If it was the current one, the default is the current one then."""
    closed, current = await _connections(ctx).disconnect(connection)
    now = f"Calls run on {current} now." if current else "No connection is the current one now: call connect."
    return Ack(f"{closed} is disconnected. {now}", {"disconnected": closed, "current": current or None})


@tool(tier=Tier.READ, scope=SCOPE, changes=True)
async def switch_database(
    ctx: Context, database: Annotated[str, Field(min_length=1, max_length=NAME_CHARS, description="Its exact name.")]
) -> Ack:
    """Run later calls on another database of the same server (list_databases), under the same policy."""
    return _now(await _connections(ctx).switch(database))


@tool(tier=Tier.READ, scope=SCOPE)
async def test_connection(ctx: Context, connection: Here = "") -> Report:  # noqa: PT028 - it is no test
    """Connect once and say how that went: latency, TLS, role, version, recovery, replicas with their lag, pool."""
    name, database = await _connections(ctx).database(connection)
    data: dict[str, Any] = {"connection": name, **await _tried(database)}
    lines = [f"{key}: {_written(value)}" for key, value in data.items() if key not in ("servers", "pool")]
    lines += [f"{each['server']}: {_written(each)}" for each in data.get("servers", ())]
    lines += [f"pool of {each['server']}: {_written(each)}" for each in data.get("pool", ())]
    return Report("\n".join(lines), data)


async def _plan(ctx: Context, server: str = "primary", with_password: bool = False) -> Plan:
    """Say what would be shown."""
    address = ctx.db.servers.address(server)
    if address is None:
        raise await _no_server(ctx, server)
    text = (
        f"The password of {address.user or 'the role'} would be shown to the assistant, and stay in its conversation."
    )
    return Plan(text, {"server": server, "host": address.host, "user": address.user})


@tool(tier=Tier.READ, scope=SCOPE, plan=_plan, elevated={"with_password": "database:admin"})
async def get_connection_string(
    ctx: Context,
    server: Annotated[str, Field(max_length=NAME_CHARS, description="primary, replica-1, ...")] = "primary",
    with_password: bool = False,
) -> Report:
    """Return the URL of the current connection, without its password unless asked for."""
    address = ctx.db.servers.address(server)
    if address is None:
        raise await _no_server(ctx, server)
    if not with_password:
        return _url(f"service={address.service}" if address.service else address.url())
    used = await ctx.db.servers.attempt(server)
    notes = () if used.password else ("The server asks for no password.",)
    return _url(used.address.url(used.password), notes)


def _url(url: str, notes: tuple[str, ...] = ()) -> Report:
    return Report(url, {"url": url}, notes, untrusted=False)


def _connections(ctx: Context) -> Connections:
    if ctx.connections is None:
        raise NotSupportedError("This server has one connection.")
    return ctx.connections


def _now(info: ConnectionInfo) -> Ack:
    where = f"{info.host}{f':{info.port}' if info.port else ''}/{info.database}"
    text = f"Calls run on {info.name} ({where}) now: sql_profile {info.sql_profile}, tool_profile {info.tool_profile}."
    return Ack(text, {"current": info.name, "sql_profile": info.sql_profile, "tool_profile": info.tool_profile})


async def _no_server(ctx: Context, server: str) -> NotFoundError:
    known = [name for name, *_ in ctx.db.servers.pools()]
    near = did_you_mean(server, known)
    hint = f"Did you mean {near}?" if near else f"One of: {', '.join(known)}."
    return NotFoundError(f"There is no server {server!r} of this connection.", hint=hint)


async def _tried(database: Database) -> dict[str, Any]:
    """Return what a new connection and a round trip find; a server that is down is a finding."""
    found: dict[str, Any] = {}
    try:
        attempt = await database.servers.attempt()
        found = {"works": True, "connect_ms": round(attempt.ms, 1)}
        found |= await _state(database)
        found |= {"tls": found.get("tls", "no"), "recovery": found.pop("standby") == "t"}
        found["warnings"] = list((await database.role()).warnings)
    except WardenError as exc:
        found = {**found, "works": False, **exc.as_dict()}
    try:
        # A primary that was just seen to be away need not be waited for again.
        if found["works"] or database.servers.replicated:
            found["servers"] = [_status(each) for each in await database.servers.status()]
        found["pool"] = [
            {"server": name, "in_use": busy, "idle": idle, "max": most}
            for name, busy, idle, most in database.servers.pools()
        ]
        found["watchdog_s"] = database.servers.watch_s
    except WardenError as exc:
        found.setdefault("message", exc.message)
    return found


async def _state(database: Database) -> dict[str, Any]:
    # The first brings a connection into the pool; the second is the round trip.
    await database.query("connection_state", primary=True)
    started = time.perf_counter()
    rows = await database.query("connection_state", primary=True)
    found: dict[str, Any] = {"round_trip_ms": round((time.perf_counter() - started) * 1000, 1)}
    said = zip(rows.columns, rows.rows[0], strict=True)
    return found | {column.name: value for column, value in said if value is not None}


def _status(status: TargetStatus) -> dict[str, Any]:
    said = {
        "server": status.name,
        "reachable": status.reachable,
        "role": status.role,
        "lag_s": status.lag_s if status.lag_s != float("inf") else "unknown",
        "version": status.server_version or None,
        "latency_ms": None if status.latency_ms is None else round(status.latency_ms, 1),
        "error": status.last_error,
        "note": status.note,
    }
    return {name: value for name, value in said.items() if value is not None}


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return _yes(value)
    if isinstance(value, list):
        return " ".join(map(_written, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_written(each)}" for name, each in value.items() if name != "server")
    return str(value)
