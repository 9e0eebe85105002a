"""Tokens and scopes: what verifies, what is refused, and what a token grants."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jwt
import pytest
from pydantic import SecretStr

from pgwarden import tokens
from pgwarden.cli import main
from pgwarden.errors import ConfigError, ScopeError
from pgwarden.policy.scopes import FAMILIES, LEVELS, UNLIMITED, Scopes

NOW = 1_800_000_000.5
DAY = 86_400


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The path of a key that is made with the first token."""
    return tokens.key_file(tmp_path / "home")


def make(key: Path, *scopes: str, caller: str = "ci", days: int | None = 1) -> str:
    """Return a new token."""
    return tokens.create(key, scopes or ("database:read",), caller, days, NOW)


def read(text: str, key: Path, now: float = NOW) -> tokens.Token:
    """Verify a token."""
    return tokens.read(SecretStr(text), key, now)


def code_of(text: str, key: Path, now: float = NOW) -> str:
    """Return the code with which a token is refused; its text must not be in the error."""
    with pytest.raises(ConfigError) as refused:
        read(text, key, now)
    assert not text or text not in json.dumps(refused.value.as_dict())
    return refused.value.error_code


def test_a_token_says_what_it_was_made_with(key: Path) -> None:
    """Each has an id of its own; the line end of a file does not matter."""
    text = make(key, "database:write", "backups:read", caller="nightly job")
    token = read(text + "\n", key)
    assert token.caller == "nightly job"
    assert token.scopes == {"database:write", "backups:read"}
    assert (token.issued, token.expires) == (int(NOW), int(NOW) + DAY)
    assert read(make(key), key).id != token.id


def test_a_token_ends(key: Path) -> None:
    """To the second; one without an end does not."""
    text = make(key)
    assert read(text, key, int(NOW) + DAY - 0.1)
    assert code_of(text, key, int(NOW) + DAY) == "token_expired"
    assert read(make(key, days=None), key, NOW + 100_000 * DAY).expires is None


def test_a_token_from_the_future_is_refused(key: Path) -> None:
    """A clock that was set back a little is forgiven."""
    assert read(make(key), key, NOW - 20)
    assert code_of(make(key), key, NOW - 60) == "token_invalid"


def claims(**changes: Any) -> dict[str, Any]:
    """Return claims as ours, but for the changes; None leaves one out."""
    ours = {"jti": "1", "sub": "ci", "scope": ["database:read"], "iat": int(NOW), "aud": "pgwarden", **changes}
    return {name: value for name, value in ours.items() if value is not None}


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "other"},
        {"aud": None},
        {"jti": None},
        {"jti": 1},
        {"sub": None},
        {"sub": ""},
        {"sub": "a\x1b[2J"},
        {"sub": "x" * 65},
        {"scope": None},
        {"scope": "database:admin"},
        {"scope": [1]},
        {"iat": None},
        {"iat": True},
        {"iat": str(int(NOW))},
        {"exp": "never"},
        {"exp": 1e12},
        {"exp": True},
        {"nbf": 1},
        {"role": "admin"},
    ],
    ids=str,
)
def test_another_form_is_refused_although_signed(key: Path, change: dict[str, Any]) -> None:
    """What this version does not know might have narrowed the token."""
    make(key)
    assert code_of(jwt.encode(claims(**change), key.read_bytes(), algorithm="HS256"), key) == "token_invalid"


def test_the_claims_of_the_other_tests_are_ours(key: Path) -> None:
    """Without a change they verify: the refusals are not for another reason."""
    make(key)
    assert read(jwt.encode(claims(), key.read_bytes(), algorithm="HS256"), key).caller == "ci"


def encoded(data: object) -> str:
    """Return a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(data).encode()).rstrip(b"=").decode()


def test_forgeries_are_refused(key: Path) -> None:
    """Another key, another algorithm, none at all, changed claims, no token."""
    header, body, signature = make(key).split(".")
    secret = key.read_bytes()
    more = encoded(claims(scope=["database:admin"]))
    forged = [
        jwt.encode(claims(), b"x" * 32, algorithm="HS256"),
        jwt.encode(claims(), secret * 2, algorithm="HS512"),
        jwt.encode(claims(), "", algorithm="none"),
        f"{encoded({'alg': 'none', 'typ': 'JWT'})}.{more}.",
        f"{encoded({'alg': 'HS256', 'jwk': {'kty': 'oct', 'k': 'eA'}})}.{more}.{signature}",
        f"{header}.{more}.{signature}",
        f"{header}.{body}.{signature[::-1]}",
        f"{header}.{body}.",
        f"{header}.{body}",
        "",
        "ünsinn",
        "x" * 100_000,
        "[" * 5_000,
    ]
    assert {code_of(text, key) for text in forged} == {"token_invalid"}


def test_every_byte_counts(key: Path) -> None:
    """No token verifies in which one character was changed, but for bits that base64 does not use."""
    text = make(key)
    for at in range(0, len(text) - 1, 3):
        changed = text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]
        assert code_of(changed, key) == "token_invalid", at


def test_the_key_is_for_its_owner(key: Path) -> None:
    """Made once, whole, with 32 bytes; refused where others could read it, or it is not one."""
    text = make(key)
    assert (key.stat().st_size, stat.S_IMODE(key.stat().st_mode)) == (32, 0o600)
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert [each.name for each in key.parent.iterdir()] == ["token.key"]
    for mode in (0o640, 0o604, 0o620):
        key.chmod(mode)
        assert code_of(text, key) == "key_unsafe"
        with pytest.raises(ConfigError, match="belongs to you"):
            make(key)
    key.chmod(0o600)
    assert read(text, key)
    key.write_bytes(b"short")
    assert code_of(text, key) == "key_unsafe"
    key.unlink()
    assert code_of(text, key) == "key_missing"
    assert not key.exists()
    key.mkdir()
    assert code_of(text, key) == "key_unsafe"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give a file away")
def test_a_key_of_somebody_else_is_refused(key: Path) -> None:
    """Its owner could make tokens."""
    text = make(key)
    os.chown(key, 65_534, 65_534)
    assert code_of(text, key) == "key_unsafe"


def test_two_that_make_the_key_agree(tmp_path: Path) -> None:
    """Of several processes one makes it, and all their tokens verify."""
    code = (
        "import sys, time; from pathlib import Path; from pgwarden import tokens\n"
        "print(tokens.create(Path(sys.argv[1]), ['database:read'], 'ci', 1, time.time()))\n"
    )
    key = tmp_path / "token.key"
    makers = [
        subprocess.Popen([sys.executable, "-c", code, str(key)], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for text in [maker.communicate(timeout=60)[0] for maker in makers]:
        assert read(text, key, time.time()).caller == "ci"


@pytest.mark.parametrize(
    "arguments",
    [
        {"scopes": []},
        {"caller": ""},
        {"caller": "x" * 65},
        {"caller": "a\nb"},
        {"days": 0},
        {"days": 3651},
    ],
    ids=str,
)
def test_what_cannot_be_in_a_token_is_refused(key: Path, arguments: dict[str, Any]) -> None:
    """And no key is made for it."""
    with pytest.raises(ConfigError):
        tokens.create(key, **{"scopes": ["database:read"], "caller": "ci", "days": 1, "now": NOW, **arguments})
    assert not key.exists()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("held", LEVELS)
@pytest.mark.parametrize("needed", LEVELS)
def test_a_higher_level_grants_the_lower(family: str, held: str, needed: str) -> None:
    """read < write < admin, within a family and never beyond it."""
    scopes = Scopes.of([f"{family}:{held}"])
    assert scopes.has(f"{family}:{needed}") == (LEVELS.index(held) >= LEVELS.index(needed))
    assert not any(scopes.has(f"{other}:read") for other in FAMILIES if other != family)


@pytest.mark.parametrize(
    ("scope", "near"),
    [
        ("databse:read", "database:read"),
        ("database:writ", "database:write"),
        ("backup:admin", "backups:admin"),
        ("database", "database:read"),
        ("Database:Read", "database:read"),
        ("database:read ", "database:read"),
        ("zzz:read", None),
        ("", None),
        ("database:*", None),
        ("*:read", None),
    ],
)
def test_an_unknown_scope_is_refused(scope: str, near: str | None) -> None:
    """The hint names the nearest; nothing is a wild card."""
    with pytest.raises(ConfigError) as refused:
        Scopes.of(["database:read", scope])
    hint = refused.value.hint or ""
    assert ("Did you mean" in hint) == (near is not None)
    assert near is None or f"Did you mean {near}?" in hint


def test_a_missing_scope_is_named() -> None:
    """The error says which one, for the person who can grant it."""
    with pytest.raises(ScopeError, match="lacks the scope database:write") as refused:
        Scopes.of(["database:read"]).require("database:write")
    assert refused.value.details == {"missing_scope": "database:write"}
    UNLIMITED.require("database:admin")


def test_an_expired_token_grants_nothing_any_more() -> None:
    """Also in a server that was started while it was valid."""
    Scopes.of(["database:admin"], expires_at=int(time.time()) + 60).require("database:read")
    with pytest.raises(ScopeError) as refused:
        Scopes.of(["database:admin"], expires_at=int(time.time())).require("database:read")
    assert refused.value.error_code == "scope_expired"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state directory of the commands."""
    monkeypatch.setenv("PGWARDEN_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_create_prints_the_token_alone(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`show` says what is in it, and not the token."""
    argv = ["token", "create", "--scope", "database:read", "--scope", "backups:write", "--caller", "ci", "--no-expiry"]
    assert main(argv) == 0
    text = capsys.readouterr().out
    assert text.count("\n") == 1
    monkeypatch.setenv("PGWARDEN_TOKEN", text.strip())
    assert main(["token", "show"]) == 0
    lines = dict(line.split(":", 1) for line in capsys.readouterr().out.splitlines())
    assert list(lines) == ["id", "caller", "scopes", "issued", "expires"]
    assert lines["caller"].strip() == "ci"
    assert lines["scopes"].strip() == "backups:write, database:read"
    assert lines["expires"].strip() == "never"
    assert not any(part in str(lines) for part in text.strip().split("."))


def test_show_reads_stdin(home: Path) -> None:
    """What cannot be verified is refused with its status, and never repeated."""
    create = [sys.executable, "-m", "pgwarden", "token", "create", "--scope", "database:read"]
    env = {**os.environ, "PGWARDEN_HOME": str(home)}
    text = subprocess.run(create, env=env, capture_output=True, text=True, check=True).stdout
    show = [sys.executable, "-m", "pgwarden", "token", "show"]
    good = subprocess.run(show, env=env, input=text, capture_output=True, text=True, check=True)
    assert "caller:  stdio" in good.stdout
    bad = subprocess.run(show, env=env, input=text[:-9], capture_output=True, text=True, check=False)
    assert (bad.returncode, bad.stdout) == (2, "")
    assert text[:20] not in bad.stderr


@pytest.mark.parametrize(
    "argv", [["--scope", "databse:read"], ["--scope", "database:read", "--caller", "a\tb"]], ids=["scope", "caller"]
)
def test_create_refuses_what_is_wrong(home: Path, argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The status is 2, stdout stays empty, and no key is made."""
    assert main(["token", "create", *argv]) == 2
    assert capsys.readouterr().out == ""
    assert not home.exists()
