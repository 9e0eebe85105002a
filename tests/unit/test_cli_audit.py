"""`pgwarden audit`: what people see of the log, and that the log cannot steer their terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pgwarden.audit import AuditLog
from pgwarden.cli import main
from pgwarden.cli.audit_view import HEADING, as_json, as_row, clip

HOSTILE = "SELECT '\x1b]0;owned\x07\x1b[2J\u202e\x9b31m\x7f' \u2028\r\nFROM t"


@pytest.fixture(autouse=True)
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A wide terminal in a zone that is not UTC."""
    monkeypatch.setenv("COLUMNS", "220")
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    time.tzset()


def line(sql: str, outcome: str = "allowed", minutes_ago: float = 0, **more: object) -> dict[str, object]:
    """Return a record as a call leaves it."""
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return {
        "time": at.isoformat(timespec="milliseconds"),
        "caller": "stdio",
        "tool": "run_query",
        "tier": "read",
        "arguments": {"sql": sql},
        "outcome": outcome,
        **more,
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of five calls in several files."""
    log = AuditLog(tmp_path / "audit.jsonl", max_bytes=500)
    log.append(line("SELECT 1", minutes_ago=300, rows=1, ms=1.25))
    log.append(line("DROP TABLE t", "denied", minutes_ago=90, code="statement_refused", ms=0.1))
    log.append(line("DELETE FROM t", minutes_ago=30, tool="execute_sql", tier="confirm", affected=7, ms=2.0))
    log.append(line(HOSTILE, "denied", code="statement_refused"))
    log.append({**line(""), "tool": "list_tables", "arguments": {"schema": "public", "like": "a\x1bb"}})
    log.close()
    return log.path


def shown(capsys: pytest.CaptureFixture[str], *argv: str | Path) -> list[str]:
    """Run `pgwarden audit` and return the lines it prints."""
    assert main(["audit", *map(str, argv)]) == 0
    return capsys.readouterr().out.splitlines()


def test_tail_shows_a_row_each(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Number, local time, who, what, how it ended, how many rows, how long, and the statement."""
    rows = shown(capsys, "tail", "--path", path)
    assert rows[0] == HEADING
    assert [row.split()[0] for row in rows[1:]] == ["1", "2", "3", "4", "5"]
    record = {"n": 7, **line("SELECT\n\t 1", rows=1), "time": "2026-11-21T09:00:00.000+00:00", "ms": 1.25}
    assert as_row(record).split() == [
        *("7", "2026-11-21", "14:30:00", "stdio", "run_query", "read", "allowed", "1", "1.25", "SELECT", "1")
    ]
    assert "denied/statement_refused" in rows[2]
    assert rows[3].split()[-4:] == ["2.0", "DELETE", "FROM", "t"]
    assert rows[5].endswith("schema=public like=a\\x1bb")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-n", "2"], [4, 5]),
        (["-n", "0"], []),
        (["--outcome", "denied"], [2, 4]),
        (["--outcome", "denied", "-n", "1"], [4]),
        (["--tool", "execute_sql"], [3]),
        (["--since", "2h"], [2, 3, 4, 5]),
        (["--since", "40m", "--outcome", "allowed"], [3, 5]),
        (["--since", "2000-01-01T00:00:00Z"], [1, 2, 3, 4, 5]),
        (["--since", "2999-01-01"], []),
    ],
)
def test_tail_filters(path: Path, options: list[str], expected: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    """The newest lines that match, oldest first."""
    assert [json.loads(row)["n"] for row in shown(capsys, "tail", "--json", "--path", path, *options)] == expected


@pytest.mark.parametrize("option", [["-n", "-1"], ["--since", "soon"], ["--since", "999999d"], ["--outcome", "ok"]])
def test_wrong_options_are_told(option: list[str], path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The status is 2, and the message names the option."""
    with pytest.raises(SystemExit) as ended:
        main(["audit", "tail", "--path", str(path), *option])
    assert ended.value.code == 2
    assert option[0] in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["tail"], ["tail", "--json"], ["show", "4"]])
def test_logged_text_cannot_steer_the_terminal(argv: list[str], path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No control character, direction mark or odd line end comes out; as JSON it still means the same."""
    assert main(["audit", *argv, "--path", str(path)]) == 0
    out = capsys.readouterr().out
    assert all(character.isprintable() or character == "\n" for character in out)
    assert "owned" in out
    assert json.loads(as_json({"sql": HOSTILE + "\ud800𐂂"})) == {"sql": HOSTILE + "\ud800𐂂"}


def test_text_is_clipped_to_its_width() -> None:
    """Escapes count as what they take; nothing is longer than its room."""
    assert clip("abcdef", 6) == "abcdef"
    assert clip("abcdefg", 6) == "abcde…"
    assert clip("\x1b" * 9, 6) == "\\x1b\\…"
    assert len(as_row({"n": 1, "caller": "c" * 500, "arguments": {"sql": "x" * 5_000}})) <= 220


def test_show_finds_a_line_in_any_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole line, as it was written; a number that is not kept is an error."""
    assert json.loads("\n".join(shown(capsys, "show", "1", "--path", path)))["arguments"] == {"sql": "SELECT 1"}
    assert main(["audit", "show", "6", "--path", str(path)]) == 2
    assert "has no line 6" in capsys.readouterr().err


def test_verify_looks_at_all_files(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole, it says how many lines; with a rotated file gone, which lines are missing."""
    assert shown(capsys, "verify", "--path", path)[0].endswith("5 lines, unbroken")
    path.with_name("audit.jsonl.1").unlink()
    assert main(["audit", "verify", "--path", str(path)]) == 1
    assert "missing" in capsys.readouterr().out


def test_follow_goes_on_through_a_rotation(path: Path) -> None:
    """Each line that is added shows once and at once, in whichever file it is."""
    command = [sys.executable, "-m", "pgwarden", "audit", "tail", "-f", "-n", "1", "--json", "--path", str(path)]
    env = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env) as follower:
        assert follower.stdout is not None
        try:
            assert json.loads(follower.stdout.readline())["n"] == 5
            log = AuditLog(path, max_bytes=500)
            for number in range(6, 14):
                log.append(line(f"SELECT {number}"))
            log.close()
            assert [json.loads(follower.stdout.readline())["n"] for _ in range(8)] == list(range(6, 14))
        finally:
            follower.terminate()
