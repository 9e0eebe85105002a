"""`pgwarden setup-sql`."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from pgwarden.cli.options import Commands, add_env_file

_PROFILES = ("read_only", "analyst", "developer", "admin", "operator")
"""Those of `setup_sql`, which is imported when it is needed; a test compares them."""


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("setup-sql", help="print the SQL of a role that can do what a profile allows")
    command.add_argument("--profile", choices=_PROFILES, required=True, help="what the role is for")
    command.add_argument("--role", default="", metavar="NAME", help="its name (default: pgwarden_ and the profile)")
    command.add_argument(
        "--schema", action="append", metavar="NAME", help="schema it works in; may be repeated (default: public)"
    )
    command.add_argument("--database", metavar="NAME", help="refuse to run in any other database")
    command.add_argument("--owner", metavar="NAME", help="role that owns the tables; an admin becomes a member of it")
    command.add_argument(
        "--governance", type=Path, metavar="FILE", help="policy file that narrows it (default: PGWARDEN_GOVERNANCE)"
    )
    command.add_argument("--connection", default="", metavar="NAME", help="connection of the file that it is for")
    add_env_file(command)
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pgwarden import settings
    from pgwarden.grants import load_policy
    from pgwarden.policy.model import HARD_DELETES
    from pgwarden.setup_sql import Request, render

    loaded = settings.load(arguments.env_file)
    policy, limits = load_policy(loaded, arguments.governance, arguments.connection)
    request = Request(
        profile=arguments.profile,
        role=arguments.role,
        database=arguments.database,
        owner=arguments.owner,
        statement_timeout=limits.statement_timeout,
        connections=2 * loaded.connection.pool_max,
        rules=policy.objects,
        denied=policy.statements_denied | (HARD_DELETES if policy.deletes == "archive" else frozenset()),
    )
    print(render(replace(request, schemas=tuple(arguments.schema)) if arguments.schema else request), end="")
    return 0
