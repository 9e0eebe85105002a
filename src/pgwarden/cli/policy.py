"""`pgwarden policy`."""

from __future__ import annotations

import argparse

from pgwarden.cli.options import Commands, add_env_file


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("policy", help="explain what a caller may do, and which rule decided")
    command.add_argument("--json", action="store_true", help="as JSON")
    command.add_argument(
        "--connection", default="", metavar="NAME", help="what holds on it (default: the one at start)"
    )
    add_env_file(command)
    command.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from pgwarden import settings
    from pgwarden.format import dumps
    from pgwarden.grants import load_configuration, unknown_connection
    from pgwarden.resources.policy import render
    from pgwarden.tools import CATEGORIES

    configuration = load_configuration(settings.load(arguments.env_file), arguments.env_file)
    name = arguments.connection or configuration.start
    if name not in configuration.grants:
        raise unknown_connection(name, configuration.grants)
    grant = configuration.grants[name]
    report = render(
        grant.policy,
        grant.limits,
        CATEGORIES,
        configuration.caller.scopes,
        consent=grant.settings.policy.consent,
        for_owner=True,
        connections=[each.summary | {"current": each is grant} for each in configuration.grants.values()],
    )
    print(dumps(report.data) if arguments.json else report.text)
    return 0
