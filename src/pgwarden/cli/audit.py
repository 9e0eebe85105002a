"""`pgwarden audit`: tail, show, verify."""

from __future__ import annotations

import argparse
import io
import re
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pgwarden.cli.options import Bounded, Commands, add_env_file
from pgwarden.errors import AuditError

if TYPE_CHECKING:
    from pgwarden.audit.search import Filter, Record

_OUTCOMES = ("started", "allowed", "asked", "denied", "failed", "cancelled", "automatic")
_POLL_S = 0.3
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_AGO = re.compile(r"([0-9]{1,6})([smhd])")


def add(commands: Commands) -> None:
    """Add the command."""
    actions = commands.add_parser("audit", help="the audit log").add_subparsers(metavar="action", required=True)
    tail = _action(actions, "tail", "show the newest lines")
    tail.add_argument("-n", type=Bounded(0, 1_000_000), default=20, metavar="N", help="how many (default: 20)")
    tail.add_argument("-f", "--follow", action="store_true", help="go on with what is written from now on")
    tail.add_argument("--outcome", choices=_OUTCOMES, help="only calls that ended so")
    tail.add_argument("--tool", metavar="NAME", help="only calls of this tool")
    tail.add_argument("--since", type=_since, metavar="WHEN", help="only after this: 30s, 2h, 7d or an RFC 3339 time")
    tail.add_argument("--json", action="store_true", help="lines as JSON, whole")
    tail.set_defaults(run=_tail)
    show = _action(actions, "show", "show one line in full")
    show.add_argument("number", type=Bounded(1, 10**17), metavar="N", help="the line's number")
    show.set_defaults(run=_show)
    verify = _action(actions, "verify", "check that no line was changed, added or removed")
    verify.set_defaults(run=_verify)


def _action(actions: Commands, name: str, text: str) -> argparse.ArgumentParser:
    action = actions.add_parser(name, help=text)
    action.add_argument("--path", type=Path, metavar="FILE", help="the log (default: the configured one)")
    add_env_file(action)
    return action


def _since(text: str) -> datetime:
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is neither like 30s, 15m, 2h, 7d nor an RFC 3339 time") from None


def _log_path(arguments: argparse.Namespace) -> Path:
    from pgwarden.settings import load

    path: Path = arguments.path or load(arguments.env_file).state.audit_file
    return path


def _tail(arguments: argparse.Namespace) -> int:
    from pgwarden.audit.search import Filter, newest

    path, wanted = _log_path(arguments), Filter(arguments.outcome, arguments.tool, arguments.since)
    printer = _Printer(arguments.json)
    if not arguments.follow:
        printer.print(newest(path, wanted, arguments.n))
        return 0
    return _follow(path, wanted, arguments.n, printer)


def _follow(path: Path, wanted: Filter, count: int, printer: _Printer) -> int:
    """Print the newest lines, and then what is added, until interrupted."""
    from pgwarden.audit.search import Filter, newest, stamp

    seen, last = None, 0
    while True:
        # Taken first: what is added in between is then found in the next round.
        now = stamp(path)
        if now is not None and now != seen:
            limit = count if seen is None else None
            seen = now
            end = next((record["n"] for record in newest(path, Filter(), 1)), 0)
            # A chain that begins anew was moved away by hand.
            records = newest(path, wanted, limit, after=last if end >= last else 0)
            printer.print([record for record in records if record["n"] <= end])
            last = end
        time.sleep(_POLL_S)


def _show(arguments: argparse.Namespace) -> int:
    from pgwarden.audit.search import find
    from pgwarden.cli.audit_view import as_json

    path = _log_path(arguments)
    record = find(path, arguments.number)
    if record is None:
        raise AuditError(f"{path} has no line {arguments.number}.", hint="Older lines may have been rotated away.")
    print(as_json(record, indent=2))
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    from pgwarden.audit import verify

    path = _log_path(arguments)
    found = verify(path)
    if found.problem:
        print(f"{path}: {found.problem} ({found.lines} lines before it hold)")
        return 1
    kept = f" from line {found.first} on" if found.first > 1 else ""
    print(f"{path}: {found.lines} line{'' if found.lines == 1 else 's'}, unbroken{kept}")
    if found.beyond:
        print(f"The head does not know the last {found.beyond}: a crash leaves that, and so does who adds lines.")
    return 0


class _Printer:
    """Prints lines as they come: a heading once, then one row each; or JSON."""

    def __init__(self, json: bool) -> None:
        self._json = json
        self._headed = False
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")

    def print(self, records: list[Record]) -> None:
        from pgwarden.cli.audit_view import HEADING, as_json, as_row

        for record in records:
            if not self._json and not self._headed:
                print(HEADING)
                self._headed = True
            print(as_json(record) if self._json else as_row(record))
        sys.stdout.flush()
