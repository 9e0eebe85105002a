"""The command line: serve (default), demo, audit verify."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pgwarden import __version__
from pgwarden.errors import WardenError

_ENV_FILE = "file of PGWARDEN_ variables; the environment overrides it"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit status: 0 done, 1 failed, 2 wrong usage or configuration."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
        return status
    except WardenError as exc:
        print(f"pgwarden: {exc.message}", file=sys.stderr)
        if exc.hint:
            print(f"hint: {exc.hint}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pgwarden", description="PostgreSQL for AI assistants, over MCP on stdio.")
    parser.add_argument("--version", action="version", version=f"pgwarden {__version__}")
    parser.add_argument("--env-file", type=Path, metavar="FILE", help=_ENV_FILE)
    parser.set_defaults(run=_serve)
    commands = parser.add_subparsers(metavar="command")
    serve = commands.add_parser("serve", help="serve on stdio (the default)")
    _add_env_file(serve)
    serve.set_defaults(run=_serve)
    demo = commands.add_parser("demo", help="show it at work on a throwaway database")
    demo.set_defaults(run=_demo)
    audit = commands.add_parser("audit", help="the audit log").add_subparsers(metavar="action", required=True)
    verify = audit.add_parser("verify", help="check that no line was changed, added or removed")
    verify.add_argument("--path", type=Path, metavar="FILE", help="the log (default: the configured one)")
    _add_env_file(verify)
    verify.set_defaults(run=_verify)
    return parser


def _add_env_file(command: argparse.ArgumentParser) -> None:
    # Suppressed, or the default of the command would undo what stands before it.
    command.add_argument("--env-file", type=Path, metavar="FILE", default=argparse.SUPPRESS, help=_ENV_FILE)


def _serve(arguments: argparse.Namespace) -> int:
    from pgwarden.server import serve

    serve(arguments.env_file)
    return 0


def _demo(_: argparse.Namespace) -> int:
    from pgwarden.demo import main as demo

    return demo()


def _verify(arguments: argparse.Namespace) -> int:
    from pgwarden.audit import verify
    from pgwarden.settings import load

    path = arguments.path or load(arguments.env_file).state.audit_file
    found = verify(path)
    if found.problem:
        print(f"{path}: {found.problem} ({found.lines} lines before it hold)")
        return 1
    print(f"{path}: {found.lines} line{'' if found.lines == 1 else 's'}, unbroken")
    return 0
