"""`pgwarden policy`."""

from __future__ import annotations

import argparse

from pgwarden.cli.options import Commands, add_env_file


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("policy", help="explain what a caller may do, and which rule decided")
    command.add_argument("--json", action="store_true", help="as JSON")
    add_env_file(command)
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pgwarden import settings
    from pgwarden.format import dumps
    from pgwarden.grants import load_caller, load_policy
    from pgwarden.resources.policy import render
    from pgwarden.tools import CATEGORIES

    loaded = settings.load(arguments.env_file)
    policy, limits = load_policy(loaded)
    scopes = load_caller(loaded).scopes
    report = render(policy, limits, CATEGORIES, scopes, consent=loaded.policy.consent, for_owner=True)
    print(dumps(report.data) if arguments.json else report.text)
    return 0
