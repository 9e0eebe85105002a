"""A server with tools that need a yes and remember what they did: in this process, or run as a program over stdio.

As a program it reads the same variables as the real one.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import anyio
from pydantic import Field

from pgwarden import settings, stdio
from pgwarden.audit import AuditLog
from pgwarden.call import CallPath
from pgwarden.catalogue import Category, Tier, tool
from pgwarden.context import Context
from pgwarden.offers import Offers
from pgwarden.policy import Policy
from pgwarden.results import Ack, Plan
from pgwarden.server import DatabaseSource, WardenServer

DONE: list[str] = []
"""What the tools of this process did."""
PROGRAM = (sys.executable, __file__)

Thing = Annotated[str, Field(description="Its name.")]


async def plan(ctx: Context, thing: str, colour: str = "") -> Plan:
    """Say what a call would do."""
    return Plan(f"{thing} will not be what it was", {"thing": thing})


@tool(tier=Tier.READ, scope="database:read")
async def done(ctx: Context) -> Ack:
    """Say what was done."""
    return Ack("; ".join(DONE) or "nothing")


@tool(tier=Tier.CONFIRM, scope="database:write", plan=plan)
async def paint(ctx: Context, thing: Thing, colour: Annotated[str, Field(description="Any.")] = "red") -> Ack:
    """Paint a thing."""
    DONE.append(f"painted {thing} {colour}")
    return Ack(DONE[-1])


@tool(tier=Tier.TYPED, scope="database:admin", plan=plan, typed="thing")
async def smash(ctx: Context, thing: Thing) -> Ack:
    """Smash a thing."""
    DONE.append(f"smashed {thing}")
    return Ack(DONE[-1])


@dataclass(frozen=True)
class One:
    """A connection that is the only one, and stays as it is."""

    path: CallPath
    offers: Offers
    consent_timeout: float

    @property
    def current(self) -> One:
        """The only one."""
        return self

    async def refreshed(self) -> One:
        """The only one."""
        return self


def compose(consent_timeout: float | None = None) -> tuple[WardenServer, DatabaseSource]:
    """Compose a server of these tools from the environment.

    Args:
        consent_timeout: Seconds that a person has; None: as the settings say.
    """
    read = settings.load()
    rules = Policy(categories_allowed=frozenset({"things"}))
    source = DatabaseSource(read, read.limits, rules)
    path = CallPath(
        [Category("things", "Things", sys.modules[__name__])],
        rules,
        read.limits,
        source,
        AuditLog(read.state.audit_file),
        consents=read.policy,
        state=read.state,
    )
    return WardenServer(One(path, Offers(path), consent_timeout or read.policy.consent_timeout)), source


def main() -> None:
    """Serve on stdio."""
    server, source = compose()
    anyio.run(stdio.serve, server.run_stdio, server.path.drain, source.close)


if __name__ == "__main__":
    main()
