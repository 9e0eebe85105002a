"""Settings: strict names, precedence, bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgwarden import settings
from pgwarden.errors import ConfigError


def test_defaults_are_the_safe_ones() -> None:
    """Without a variable the profile only reads, and every cap is on."""
    loaded = settings.load()
    assert loaded.policy.profile == "read_only"
    assert loaded.policy.consent == "auto"
    assert (loaded.limits.max_rows, loaded.limits.statement_timeout, loaded.limits.rate_limit) == (1000, 30, 600)


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas and toolsets are lists; blanks around the commas do not count."""
    monkeypatch.setenv("PGWARDEN_REPLICA_URLS", "postgresql://a, postgresql://b")
    monkeypatch.setenv("PGWARDEN_TOOLSETS", "sql_query , schema_read")
    loaded = settings.load()
    assert [url.get_secret_value() for url in loaded.connection.replica_urls] == ["postgresql://a", "postgresql://b"]
    assert loaded.policy.toolsets == ("sql_query", "schema_read")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("PGWARDEN_MAX_ROW", "PGWARDEN_MAX_ROWS"),
        ("PGWARDEN_PROFIL", "PGWARDEN_PROFILE"),
        ("PGWARDEN_DATABASEURL", "PGWARDEN_DATABASE_URL"),
        ("pgwarden_toolset", "PGWARDEN_TOOLSETS"),
    ],
)
def test_an_unknown_variable_stops_the_start(name: str, hint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable is an error that names the nearest one, never ignored."""
    monkeypatch.setenv(name, "1")
    with pytest.raises(ConfigError) as caught:
        settings.load()
    assert name in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PGWARDEN_MAX_ROWS", "0"),
        ("PGWARDEN_MAX_ROWS", "many"),
        ("PGWARDEN_PROFILE", "readonly"),
        ("PGWARDEN_STATEMENT_TIMEOUT", "-1"),
        ("PGWARDEN_CONSENT", "never"),
        ("PGWARDEN_CONSENT_TIMEOUT", "1"),
        ("PGWARDEN_MAX_AFFECTED_ROWS", "0"),
        ("PGWARDEN_MAX_ESTIMATED_COST", "-1"),
    ],
)
def test_a_value_that_does_not_fit_stops_the_start(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and never repeats its value, which may be a secret."""
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        settings.load()
    assert caught.value.message.startswith(f"{name}: ")


def test_a_password_is_not_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings print without secrets."""
    monkeypatch.setenv("PGWARDEN_DATABASE_URL", "postgresql://u:hunter2@localhost/db")
    assert "hunter2" not in repr(settings.load())


def test_the_environment_beats_the_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--env-file gives defaults that the environment overrides."""
    file = tmp_path / "warden.env"
    file.write_text("PGWARDEN_MAX_ROWS=7\nPGWARDEN_RATE_LIMIT=9\n")
    monkeypatch.setenv("PGWARDEN_MAX_ROWS", "8")
    loaded = settings.load(file)
    assert (loaded.limits.max_rows, loaded.limits.rate_limit) == (8, 9)


def test_the_env_file_is_as_strict(tmp_path: Path) -> None:
    """An unknown variable in the env file stops the start too; so does a missing file."""
    file = tmp_path / "warden.env"
    file.write_text("PGWARDEN_MAXROWS=7\n")
    with pytest.raises(ConfigError, match="PGWARDEN_MAXROWS"):
        settings.load(file)
    with pytest.raises(ConfigError, match="no file"):
        settings.load(tmp_path / "absent.env")


def test_a_dotenv_in_the_working_directory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client starts the server inside whatever repository it stands in; that must not widen the policy."""
    (tmp_path / ".env").write_text("PGWARDEN_PROFILE=admin\n")
    monkeypatch.chdir(tmp_path)
    assert settings.load().policy.profile == "read_only"


@pytest.mark.parametrize(("text", "message"), [(b"PGWARDEN_MAX_ROWS=\xff\n", "UTF-8"), (b"A=1\n'nonsense\n", "line 2")])
def test_an_env_file_that_cannot_be_read_stops_the_start(tmp_path: Path, text: bytes, message: str) -> None:
    """A line that is not understood could be the one that makes the policy stricter."""
    file = tmp_path / "warden.env"
    file.write_bytes(text)
    with pytest.raises(ConfigError, match=message):
        settings.load(file)


def test_a_misspelt_profile_has_a_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hint names the value that was probably meant."""
    monkeypatch.setenv("PGWARDEN_PROFILE", "opertor")
    with pytest.raises(ConfigError) as caught:
        settings.load()
    assert caught.value.hint == "Did you mean operator?"


def test_a_role_is_for_the_policy_to_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether a role exists is for the policy to say."""
    assert settings.load().policy.role is None
    monkeypatch.setenv("PGWARDEN_ROLE", "support")
    assert settings.load().policy.role == "support"


def test_a_token_is_not_in_the_settings_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Like every secret."""
    monkeypatch.setenv("PGWARDEN_TOKEN", "hunter2")
    assert "hunter2" not in repr(settings.load())


@pytest.mark.parametrize("name", ["PGWARDEN_TOKEN", "PGWARDEN_GOVERNANCE", "PGWARDEN_ROLE", "PGWARDEN_CONNECTION"])
def test_what_narrows_is_never_empty(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A reference to a variable that is not set, in a client's configuration, must not lift the bounds."""
    monkeypatch.setenv(name, "")
    with pytest.raises(ConfigError, match=f"{name} is empty"):
        settings.load()
    monkeypatch.delenv(name)
    env_file = tmp_path / "bounds.env"
    env_file.write_text(f"{name}=\n")
    with pytest.raises(ConfigError, match=f"{name} is empty"):
        settings.load(env_file)
