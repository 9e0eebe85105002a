"""The command line: what is printed where, and with which status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pgwarden import __version__
from pgwarden.audit import AuditLog
from pgwarden.cli import main, setup
from pgwarden.setup_sql import PROFILES


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """A file of variables that says where the audit log is; the log has one line."""
    log = tmp_path / "trail.jsonl"
    AuditLog(log).append({"tool": "run_query"})
    file = tmp_path / "server.env"
    file.write_text(f"PGWARDEN_AUDIT_PATH={log}\n")
    return file


COMMANDS = ("", "serve", "demo", "audit tail", "audit show", "audit verify", "token create", "token show", "policy")


@pytest.mark.parametrize("command", [*COMMANDS, "setup-sql"])
def test_help_explains_every_option(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Help ends with success, and no option is left without a word."""
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
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


@pytest.mark.parametrize(
    "argv",
    [
        ["--bogus"],
        ["bogus"],
        ["audit"],
        ["audit", "bogus"],
        ["demo", "--env-file", "x"],
        ["token", "create"],
        ["token", "show", "eyJhbGciOiJIUzI1NiJ9.e30.x"],
        ["setup-sql"],
        ["setup-sql", "--profile", "root"],
    ],
)
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


def test_the_start_imports_no_more_than_it_needs() -> None:
    """A server's start pays for no other command: neither for signing tokens, nor for reading logs."""
    code = "import sys, pgwarden.cli; print(*sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {"jwt", "pydantic", "psycopg", "sqlglot", "mcp", "yaml", "pgwarden.tokens", "pgwarden.audit.search"}
    assert not heavy & set(modules)


def test_policy_explains(env_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As text and as JSON, with everything that only the owner may see."""
    governance = env_file.with_name("rules.yaml")
    governance.write_text("version: 1\nprofile: analyst\nschemas:\n  deny: [payroll]\n")
    env_file.write_text(env_file.read_text() + f"PGWARDEN_GOVERNANCE={governance}\n")
    assert main(["policy", "--env-file", str(env_file)]) == 0
    text = capsys.readouterr().out
    assert "sql_profile analyst" in text
    assert "payroll" in text
    assert main(["policy", "--json", "--env-file", str(env_file)]) == 0
    assert json.loads(capsys.readouterr().out)["sql_profile"] == "analyst"


def test_policy_and_setup_sql_explain_a_connection(env_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The one of the start unless another is named, and the others in short; one that there is not is an error."""
    rules = env_file.with_name("rules.yaml")
    rules.write_text(
        "version: 1\nconnections:\n  one: {service: s}\n"
        "  two: {service: t, profile: developer, statements: {deny: [DELETE]}}\n"
    )
    env_file.write_text(env_file.read_text() + f"PGWARDEN_GOVERNANCE={rules}\nPGWARDEN_CONNECTION=one\n")
    assert main(["policy", "--env-file", str(env_file)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("sql_profile read_only")
    assert "one (the current one, shown here): sql_profile read_only" in text
    assert "two: sql_profile developer" in text
    assert main(["policy", "--connection", "two", "--env-file", str(env_file)]) == 0
    assert capsys.readouterr().out.startswith("sql_profile developer")
    assert main(["policy", "--connection", "tow", "--env-file", str(env_file)]) == 2
    assert "Did you mean two?" in capsys.readouterr().err
    setup = ["setup-sql", "--profile", "developer", "--env-file", str(env_file), "--connection"]
    assert main([*setup, "two"]) == 0
    assert "GRANT SELECT, INSERT, UPDATE ON ALL TABLES" in capsys.readouterr().out
    assert main([*setup, "one"]) == 0
    assert "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES" in capsys.readouterr().out
    assert main([*setup, "tow"]) == 2


def test_setup_sql_is_narrowed_by_the_policy_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file named on the command line narrows the grants; a schema that it hides is refused."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("version: 1\nstatements:\n  deny: [DELETE]\nschemas:\n  deny: [payroll]\n")
    argv = ["setup-sql", "--profile", "developer", "--governance", str(rules)]
    assert main([*argv, "--schema", "shop", "--schema", "web"]) == 0
    script = capsys.readouterr().out
    assert "GRANT SELECT, INSERT, UPDATE ON ALL TABLES" in script
    assert 'SET search_path = "shop", "web"' in script
    assert main([*argv, "--schema", "payroll"]) == 2
    captured = capsys.readouterr()
    assert (captured.out, "hides the schema" in captured.err) == ("", True)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--role", "pg_x"), ("--role", "public"), ("--schema", "x" * 64), ("--schema", ""), ("--owner", "")],
)
def test_setup_sql_refuses_what_is_no_name(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """PostgreSQL would cut a long name short, and mean another object."""
    assert main(["setup-sql", "--profile", "read_only", option, value]) == 2
    assert capsys.readouterr().out == ""


def test_setup_sql_knows_every_profile() -> None:
    """The command line's choices are the profiles that there are."""
    assert setup._PROFILES == PROFILES


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("GOVERNANCE", "/nowhere/policy.yaml", "(config_invalid)"),
        ("ROLE", "nobody", "(config_invalid)"),
        ("TOKEN", "not.a.token", "(key_missing)"),
        ("CONSENT", "never", "(config_invalid)"),
        ("CONSEMT", "auto", "(config_invalid)"),
    ],
)
def test_a_wrong_setting_stops_the_start(
    variable: str,
    value: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The error has a code and a hint, and nothing goes to stdout."""
    monkeypatch.setenv("PGWARDEN_HOME", str(tmp_path))
    monkeypatch.setenv(f"PGWARDEN_{variable}", value)
    assert main([]) == 2
    captured = capsys.readouterr()
    first, second = captured.err.splitlines()
    assert first.startswith("pgwarden: ")
    assert first.endswith(said)
    assert second.startswith("hint: ")
    assert captured.out == ""
    assert "not.a.token" not in captured.err
