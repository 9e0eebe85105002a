"""What a line of the audit says of a call's arguments: no secret, whatever it is called, and JSON."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from pgwarden.audit.chain import encode
from pgwarden.guard.redact import redact_sql, redact_text
from pgwarden.record import Record

SECRET = "hunter2"
STATEMENT = f"ALTER ROLE x PASSWORD '{SECRET}'"


def line(tool: str, arguments: dict[str, Any], **more: Any) -> str:
    """The line of a call."""
    return encode(Record(tool, arguments, **more).line("somebody")).decode()


@pytest.mark.parametrize("known", [("sql", "confirm_name"), ()], ids=["a tool's", "of no tool"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"query": STATEMENT},
        {"SQL": STATEMENT},
        {"sql": [STATEMENT]},
        {"sql": {"text": STATEMENT}},
        {"sql": f"postgresql://me:{SECRET}@db/shop"},
        {"confirm_name": STATEMENT},
        {"uri": f"postgresql://me:{SECRET}@db/shop"},
        {"dsn": f"host=db user=me password={SECRET}"},
        {"connection": {"user": "me", "password": SECRET}},
        {STATEMENT: 1},
        {"sql": f"UPDATE users SET password = '{SECRET}'"},
    ],
    ids=str,
)
def test_no_secret_under_any_name(arguments: dict[str, Any], known: tuple[str, ...]) -> None:
    """Models misname arguments, and put statements into lists; what is refused for that is on record without them."""
    assert SECRET not in line("execute_sql", arguments, known=known)


def test_no_value_of_a_row() -> None:
    """Neither where rows are given nor where they are looked up by their keys."""
    for arguments in (
        {"keys": ["ann@x"]},
        {"keys": [{"mail": "ann@x"}]},
        {"key": {"mail": "ann@x"}},
        {"rows": ["ann@x"]},
    ):
        assert "ann@x" not in line("lookup_features", arguments, known=("keys", "key", "rows"))


def test_no_secret_in_the_name_of_a_tool() -> None:
    """Whatever is called is on record, and need not be a name."""
    assert SECRET not in line(STATEMENT, {})
    assert line("list_tables", {}).count('"tool":"list_tables"') == 1


def test_harmless_words_stay() -> None:
    """A word that secrets are named by is no secret itself."""
    kept = {"query": "password", "schema": "secrets", "table": "passengers"}
    assert json.loads(line("search_objects", kept, known=kept))["arguments"] == kept


def test_literals_under_wrong_names_go_on_demand() -> None:
    """Where literals of SQL are not wanted, arguments that the tool does not have may be some."""
    arguments = {"query": "SELECT 'a patient'", "schema": "public", "max_rows": 5}
    said = json.loads(line("run_query", arguments, literals=False, known=("sql", "schema", "max_rows")))["arguments"]
    assert said == {"query": "?", "schema": "public", "max_rows": 5}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_every_line_is_json(value: float) -> None:
    """JSON on the wire may hold numbers that JSON has not."""

    def refuse(name: str) -> None:
        raise AssertionError(name)

    said = json.loads(line("run_query", {"timeout_s": value}), parse_constant=refuse)
    assert said["arguments"] == {"timeout_s": str(value)}


@pytest.mark.parametrize("text", ["pass" + " " * 90_000, "secret'" * 12_000, "://a:" * 18_000, 'pass"' * 18_000])
def test_hostile_text_takes_no_time(text: str) -> None:
    """The log is written on the path of every call."""
    started = time.perf_counter()
    redact_text(text)
    redact_sql(text, literals=True)
    assert time.perf_counter() - started < 1
