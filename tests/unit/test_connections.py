"""The connections of the policy file: strictly read, layered, and bounded by the environment."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from pgwarden import policy, settings
from pgwarden.db import adhoc
from pgwarden.db.connect import Address, Connector
from pgwarden.errors import ArgumentError, ConfigError, CursorError, RateLimitedError, UnavailableError
from pgwarden.grants import Configuration, load_configuration
from pgwarden.pages import Pages
from pgwarden.policy import Policy
from pgwarden.policy.objects import hides_schema
from pgwarden.policy.showing import shown_patterns
from pgwarden.rate import RateLimit
from pgwarden.record import Record
from pgwarden.sessions import Activity
from pgwarden.settings import ConnectionSettings, LimitSettings, PolicySettings
from pgwarden.tools import CATEGORIES

TOOLS = {spec.name: category.name for category in CATEGORIES for spec in category.tools}
PLACE = "database_url: postgresql://u@h/db"


def load(text: str, name: str, **environment: Any) -> tuple[Policy, LimitSettings]:
    """The policy and limits on a connection."""
    found = policy.load_all(PolicySettings(**environment), LimitSettings(), text, TOOLS).connections[name]
    return found.policy, found.limits


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (f"a: {{{PLACE}, profil: developer}}", "connections.a.profil is not known", "profile"),
        ("a: {databse_url: x}", "connections.a.databse_url is not known", "database_url"),
        (f"a: {{{PLACE}, profile: develper}}", "'develper' is not known", "developer"),
        (f"a: {{{PLACE}, service: x}}", "give one of", ""),
        ("a: {profile: developer}", "where is it", ""),
        ("a: {replica_urls: [x]}", "replicas need their primary", ""),
        ("ad-hoc: {service: x}", "no name of a connection", ""),
        ("'a b': {service: x}", "no name of a connection", ""),
        ("a: {service: 'x y=z'}", "no name of a service", ""),
        ("a: {database_url_env: PGWARDEN_PROD_URL}", "are settings", ""),
        ("a: {database_url_env: 'a b'}", "no name of a variable", ""),
        ("a: {database_url: ''}", "it is empty", ""),
        (f"a: {{{PLACE}, masks: [{{column: '*.*.c', mask: clear}}]}}", "cannot clear a mask", ""),
        (f"a: {{{PLACE}, role: suport}}", "connections.a.role: 'suport'", "support"),
        (f"a: {{{PLACE}, tools: {{deny: [run_qury]}}}}", "connections.a.tools.deny: 'run_qury'", "run_query"),
        (f"a: {{{PLACE}, functions: {{allow: [nothing]}}}}", "connections.a.functions.allow", ""),
        (f"a: {{{PLACE}, consent: never}}", "'never' is not known", "One of"),
    ],
)
def test_what_is_not_understood_stops_the_start(text: str, message: str, hint: str) -> None:
    """As everywhere in the file: with the line, and the nearest valid name; and never with a URL."""
    with pytest.raises(ConfigError) as caught:
        load(f"version: 1\nroles: {{support: {{}}}}\nconnections:\n  {text}\n", "a")
    assert message in caught.value.message
    assert "line 4" in caught.value.message or "line 3" in caught.value.message
    assert hint in (caught.value.hint or "")
    assert "u@h" not in caught.value.message


TEXT = f"""
version: 1
profile: read_only
schemas: {{deny: [audit], allow: [public, audit, billing, private_file]}}
limits: {{max_rows: 10, rate_limit: 5}}
tools: {{deny: [list_roles]}}
connections:
  staging:
    {PLACE}
    profile: developer
    schemas: {{deny: [billing], allow: [public, billing, private_staging]}}
    tools: {{deny: [list_extensions]}}
    limits: {{max_rows: 20}}
    masks: [{{column: '*.*.email', mask: redact}}]
  production:
    {PLACE}
    role: support
roles:
  support:
    profile: analyst
    schemas: {{allow: [public, private_staging]}}
    limits: {{max_rows: 3}}
"""


def test_a_connection_widens_its_profile_and_limits_and_adds_its_rules() -> None:
    """The file's owner decides both: what is a single value is replaced, lists and rules add up."""
    rules, limits = load(TEXT, "staging")
    assert (rules.sql_profile, rules.tool_profile) == ("developer", "developer")
    assert (limits.max_rows, limits.rate_limit) == (20, 5)
    assert {"list_roles", "list_extensions"} <= rules.tools_denied
    assert rules.rule("tools.deny", "list_extensions") == "connections.staging.tools.deny"
    assert rules.objects.masks[0].origin == "connections.staging.masks[1]"
    assert [hides_schema(rules.objects, name) for name in ("public", "audit", "billing", "private_staging")] == [
        False,
        True,
        True,
        True,
    ]
    own = policy.load(PolicySettings(), LimitSettings(), TEXT, TOOLS)[0]
    assert own.sql_profile == "read_only"
    assert not own.objects.masks


def test_the_environment_bounds_every_connection() -> None:
    """A profile, role or limit of the environment holds on all of them, whatever the file says of one."""
    assert load(TEXT, "staging", profile="read_only")[0].sql_profile == "read_only"
    assert load(TEXT, "staging", role="support")[0].sql_profile == "analyst"
    assert load(TEXT, "staging", role="support")[1].max_rows == 3
    found = policy.load_all(PolicySettings(), LimitSettings(max_rows=2), TEXT, TOOLS)
    assert {each.limits.max_rows for each in found.connections.values()} == {2}


def test_a_role_of_the_connection_takes_the_place_of_the_files() -> None:
    """And a role's own profile beats the connection's."""
    rules, limits = load(TEXT, "production")
    assert (rules.role, rules.sql_profile, limits.max_rows) == ("support", "analyst", 3)


def test_allow_lists_of_three_layers_must_all_let_pass() -> None:
    """And what one of them hides is not shown by the list of another."""
    rules, _ = load(TEXT, "staging", role="support")
    assert hides_schema(rules.objects, "private_staging")
    assert shown_patterns(rules.objects, "schemas") == ["public"]


def configuration(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch, **variables: str) -> Configuration:
    """Load a configuration."""
    file = tmp_path / "governance.yaml"
    file.write_text(text)
    for name, value in {"PGWARDEN_GOVERNANCE": str(file), **variables}.items():
        monkeypatch.setenv(name, value)
    return load_configuration(settings.load())


@pytest.mark.parametrize(
    ("exports", "audit"), [(".", None), ("..", None), ("audits", "audits/log.jsonl"), ("changes", None)]
)
def test_exports_among_files_of_ours_stop_the_start(
    exports: str, audit: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An export could be written over the audit log, or over what undo puts back."""
    home = tmp_path / "home"
    variables = {"PGWARDEN_HOME": str(home), "PGWARDEN_EXPORT_DIR": str(home / exports)}
    if audit:
        variables["PGWARDEN_AUDIT_PATH"] = str(home / audit)
    with pytest.raises(ConfigError, match="PGWARDEN_EXPORT_DIR"):
        configuration(tmp_path, "version: 1\n", monkeypatch, **variables)
    configuration(tmp_path, "version: 1\n", monkeypatch, PGWARDEN_EXPORT_DIR=str(home / "others"))


THREE = "version: 1\nconnections: {one: {service: s}, two: {database_url_env: TWO, consent: human}}\n"


def url(found: Configuration, name: str) -> str:
    """The URL of a connection."""
    given = found.grants[name].settings.connection.database_url
    return given.get_secret_value() if given else ""


def test_where_connections_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a database of the environment the first of the file is current, and there is no `default`."""
    found = configuration(tmp_path, THREE, monkeypatch, TWO="postgresql://u:hunter2@h/two")
    assert (list(found.grants), found.start) == (["one", "two"], "one")
    assert (url(found, "one"), url(found, "two")) == ("service=s", "postgresql://u:hunter2@h/two")
    assert [found.grants[name].settings.policy.consent for name in ("one", "two")] == ["auto", "human"]
    assert "hunter2" not in repr(found)


def test_the_environment_says_where_default_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is current where nothing else is said; the file's rules for it hold, its place does not."""
    text = THREE.replace("{one", "{default: {database_url: 'postgresql://file/x', profile: developer}, one")
    found = configuration(tmp_path, text, monkeypatch, PGWARDEN_DATABASE_URL="postgresql://environment/x")
    assert (found.start, url(found, "default")) == ("default", "postgresql://environment/x")
    assert found.grants["default"].policy.sql_profile == "developer"
    monkeypatch.delenv("PGWARDEN_DATABASE_URL")
    assert url(load_configuration(settings.load()), "default") == "postgresql://file/x"
    monkeypatch.setenv("PGWARDEN_CONNECTION", "tow")
    with pytest.raises(ConfigError) as caught:
        load_configuration(settings.load())
    assert caught.value.hint == "Did you mean two?"


def test_a_variable_that_is_not_set_is_told_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not every user of a file has every database."""
    found = configuration(tmp_path, THREE, monkeypatch, PGWARDEN_CONSENT="argument")
    assert found.grants["two"].missing == "TWO"
    assert found.grants["two"].settings.policy.consent == "argument"


def test_a_url_of_the_callers_gets_the_policy_of_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no connection's, wider or not; none where the file does not allow such URLs."""
    named = "{one: {service: s, profile: admin}, default: {profile: read_only}}"
    text = f"version: 1\nprofile: developer\nconnections: {named}\n"
    found = configuration(tmp_path, text + "connections_ad_hoc: true\n", monkeypatch)
    assert found.ad_hoc is not None
    assert found.ad_hoc.policy.sql_profile == "read_only"
    assert configuration(tmp_path, text, monkeypatch).ad_hoc is None


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "fe80::1",
        "::ffff:169.254.1.1",
        "0.0.0.0",
        "::",
        "224.0.0.1",
        "100.100.100.200",
        "fd00:ec2::254",
    ],
)
def test_a_name_that_leads_to_a_metadata_service(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address counts, not the name."""

    async def resolved(*_: Any, **__: Any) -> list[Any]:
        return [(0, 0, 0, "", ("10.0.0.1", 5432)), (0, 0, 0, "", (address, 5432))]

    async def attempt() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
        with pytest.raises(ArgumentError, match="link-local"):
            await adhoc.conninfo("postgresql://u@friendly.example/db")

    asyncio.run(attempt())


def test_a_url_of_the_callers_has_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """No password, key or ticket of this account, and an address that does not change any more."""
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    found = asyncio.run(adhoc.conninfo("postgresql://u@127.0.0.1:5/db?sslmode=disable"))
    assert "password=''" in found
    assert "hostaddr=127.0.0.1" in found
    assert "gssencmode=disable" in found
    assert "hunter2" not in found


def test_an_unknown_host_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without repeating the URL."""

    async def resolved(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "hunter2")

    async def attempt() -> None:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
        with pytest.raises(UnavailableError) as caught:
            await adhoc.conninfo("postgresql://u:hunter2@nowhere.example/db")
        assert "hunter2" not in caught.value.message

    asyncio.run(attempt())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("postgresql://u:hunter2@db.example:5433/shop?sslpassword=hunter2", "postgresql://db.example:5433/shop"),
        ("postgresql://u:hun/ter2@db.example/shop", "postgresql://db.example/shop"),
        ("postgresql://u:hunter2 @h t/x", "?"),
        ("host=h password=hunter2", "?"),
        ("hunter2", "?"),
        (5, "?"),
    ],
)
def test_the_audit_keeps_of_a_url_where_it_leads(given: object, kept: str) -> None:
    """And nothing else."""
    assert Record("connect", {"url": given}).line("me")["arguments"] == {"url": kept}


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (Address("db.example", "5433", "shop", "ann b"), "postgresql://ann%20b@db.example:5433/shop"),
        (Address("::1", "5432", "a/b", "u"), "postgresql://u@[::1]:5432/a%2Fb"),
        (Address("/tmp", "5432", "d", "u"), "postgresql://u@/d?host=%2Ftmp&port=5432"),
        (Address("a,b", "1,2", "d", "u", options=(("sslmode", "require"),)), "?host=a%2Cb&port=1%2C2&sslmode=require"),
    ],
)
def test_an_address_as_a_url(given: Address, url: str) -> None:
    """What a URL has no place for stands behind the question mark; libpq reads it as it was meant."""
    assert given.url().endswith(url)
    found = Connector(given.url(), ConnectionSettings()).address()
    assert found is not None
    assert (found.host, found.port, found.database, found.user) == (given.host, given.port, given.database, given.user)
    assert ":p%40w@" in given.url("p@w")


def test_the_host_that_is_named_is_the_one_that_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    """PGHOSTADDR is for the connection that names no host; libpq alone would send every one of them there."""
    monkeypatch.setenv("PGHOSTADDR", "10.9.9.9")
    assert Connector("host=h", ConnectionSettings())._parameters()["hostaddr"] == ""
    assert "hostaddr" not in Connector("user=u", ConnectionSettings())._parameters()


def test_cursors_know_their_place() -> None:
    """Another connection, or another database under the same name, has its own."""
    pages = Pages()
    cursor = pages.save("tool", {}, 1, ("staging", 1))
    assert pages.load(cursor, "tool", {}, ("staging", 1)).state == 1
    with pytest.raises(CursorError, match="belongs to the connection staging"):
        pages.load(cursor, "tool", {}, ("production", 2))
    with pytest.raises(CursorError, match="another one since"):
        pages.load(cursor, "tool", {}, ("staging", 3))


def test_rates_count_together() -> None:
    """A caller gains nothing by changing the connection: what is used of one limit is used of the other."""
    buckets: dict[str, tuple[float, float]] = {}
    one, other = (RateLimit(number, lambda: 0.0, buckets) for number in (4, 2))
    one.take("me")
    one.take("me")
    other.take("me")
    with pytest.raises(RateLimitedError):
        other.take("me")
    with pytest.raises(RateLimitedError):
        one.take("me")


def test_activity_is_over_when_every_call_is() -> None:
    """Whoever waits for rest waits for the last."""

    async def attempt() -> None:
        activity = Activity()
        activity.begin()
        activity.begin()
        waiting = asyncio.create_task(activity.rest())
        activity.end()
        await asyncio.sleep(0)
        assert not waiting.done()
        activity.end()
        await waiting

    asyncio.run(attempt())
