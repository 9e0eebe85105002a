"""The command line: serve (default), demo, audit, token, policy, setup-sql.

Each command imports what it needs when it runs, so that the start of a server pays for nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pgwarden import __version__
from pgwarden.cli import audit, policy, setup, token
from pgwarden.cli.options import ENV_FILE, add_env_file
from pgwarden.errors import WardenError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status: 0 done, 1 failed, 2 wrong usage or configuration."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        return status
    except WardenError as exc:
        print(f"pgwarden: {exc.message} ({exc.error_code})", file=sys.stderr)
        if exc.hint:
            print(f"hint: {exc.hint}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; nothing is left to be written to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pgwarden", description="PostgreSQL for AI assistants, over MCP on stdio.")
    parser.add_argument("--version", action="version", version=f"pgwarden {__version__}")
    parser.add_argument("--env-file", type=Path, metavar="FILE", help=ENV_FILE)
    parser.set_defaults(run=_serve)
    commands = parser.add_subparsers(metavar="command")
    serve = commands.add_parser("serve", help="serve on stdio (the default)")
    add_env_file(serve)
    serve.set_defaults(run=_serve)
    demo = commands.add_parser("demo", help="show it at work on a throwaway database")
    demo.set_defaults(run=_demo)
    for command in (audit, token, policy, setup):
        command.add(commands)
    return parser


def _serve(arguments: argparse.Namespace) -> int:
    from pgwarden.server import serve

    serve(arguments.env_file)
    return 0


def _demo(_: argparse.Namespace) -> int:
    from pgwarden.demo import main as demo

    return demo()
