"""The command line: what is printed where, and with which status."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgwarden import __version__
from pgwarden.audit import AuditLog
from pgwarden.cli import main


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """A file of variables that says where the audit log is; the log has one line."""
    log = tmp_path / "trail.jsonl"
    AuditLog(log).append({"tool": "run_query"})
    file = tmp_path / "server.env"
    file.write_text(f"PGWARDEN_AUDIT_PATH={log}\n")
    return file


@pytest.mark.parametrize("argv", [["--help"], ["serve", "--help"], ["demo", "--help"], ["audit", "verify", "--help"]])
def test_help_explains_every_option(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help ends with success, and no option is left without a word."""
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    for at, line in enumerate(lines):
        if line.startswith("  -"):
            # An option's text stands beside it, or below where the option is long.
            assert len(line.split("  ")) > 2 or lines[at + 1].startswith("      "), line


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints it and ends with success."""
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"pgwarden {__version__}\n")


@pytest.mark.parametrize("argv", [["--bogus"], ["bogus"], ["audit"], ["audit", "bogus"], ["demo", "--env-file", "x"]])
def test_wrong_usage_is_told_on_stderr(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The status is 2, and stdout, where the protocol goes, stays empty."""
    with pytest.raises(SystemExit) as ended:
        main(argv)
    captured = capsys.readouterr()
    assert (ended.value.code, captured.out) == (2, "")
    assert captured.err.startswith("usage: pgwarden")


@pytest.mark.parametrize("place", ["before", "after"])
def test_verify_takes_the_log_of_an_env_file(env_file: Path, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    """--env-file may stand before or after the command."""
    option = ["--env-file", str(env_file)]
    argv = [*option, "audit", "verify"] if place == "before" else ["audit", "verify", *option]
    assert main(argv) == 0
    assert capsys.readouterr().out.endswith("trail.jsonl: 1 line, unbroken\n")


def test_a_missing_env_file_is_told_with_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The status is 2 and both lines are on stderr."""
    assert main(["--env-file", str(tmp_path / "none"), "audit", "verify"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[1].startswith("hint: ")
