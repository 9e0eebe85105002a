"""`pgwarden token`: create, show."""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING

from pgwarden.cli.options import Bounded, Commands, add_env_file
from pgwarden.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from pgwarden.settings import Settings

_DAYS = 90


def add(commands: Commands) -> None:
    """Add the command."""
    actions = commands.add_parser("token", help="tokens that bound what a server's caller may do")
    choices = actions.add_subparsers(metavar="action", required=True)
    create = choices.add_parser("create", help="print a new token")
    create.add_argument(
        "--scope", action="append", required=True, metavar="FAMILY:LEVEL", help="what it grants; may be repeated"
    )
    create.add_argument("--caller", default="stdio", metavar="NAME", help="name in the audit log (default: stdio)")
    validity = create.add_mutually_exclusive_group()
    validity.add_argument(
        "--days", type=Bounded(1, 3650), default=_DAYS, metavar="N", help=f"days it is valid (default: {_DAYS})"
    )
    validity.add_argument("--no-expiry", action="store_true", help="it never expires")
    add_env_file(create)
    create.set_defaults(run=_create)
    # Never an argument: command lines are visible to every user of the machine.
    show = choices.add_parser("show", help="say what the token in PGWARDEN_TOKEN, or else on stdin, grants")
    add_env_file(show)
    show.set_defaults(run=_show)


def _create(arguments: argparse.Namespace) -> int:
    from pgwarden import settings, tokens
    from pgwarden.policy.scopes import Scopes

    scopes = Scopes.of(arguments.scope).granted or ()
    days = None if arguments.no_expiry else arguments.days
    key = tokens.key_file(settings.load(arguments.env_file).state.home)
    print(tokens.create(key, scopes, arguments.caller, days, time.time()))
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from pgwarden import settings, tokens
    from pgwarden.policy.scopes import Scopes

    loaded = settings.load(arguments.env_file)
    token = tokens.read(_given(loaded), tokens.key_file(loaded.state.home), time.time())
    Scopes.of(token.scopes)
    lines = {
        "id": token.id,
        "caller": token.caller,
        "scopes": ", ".join(sorted(token.scopes)),
        "issued": _local(token.issued),
        "expires": "never" if token.expires is None else _local(token.expires),
    }
    for name, value in lines.items():
        print(f"{name + ':':<9}{value}")
    return 0


def _given(loaded: Settings) -> SecretStr:
    """Return the token of the settings, else of stdin."""
    from pydantic import SecretStr

    if loaded.policy.token is not None:
        return loaded.policy.token
    if os.isatty(0):
        print("Paste the token and end with Ctrl-D:", file=sys.stderr)
    text = sys.stdin.read(65_536).strip()
    if not text:
        raise ConfigError("There is no token to show.", hint="Set PGWARDEN_TOKEN or pass it on stdin.")
    return SecretStr(text)


def _local(seconds: int) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(sep=" ")
