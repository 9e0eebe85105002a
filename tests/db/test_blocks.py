"""Named blocks: parsing, variants, parameters, and that every one of ours is valid."""

import re

import pytest

from fix_database import OpenDatabase
from pgwarden.db import Database
from pgwarden.db.blocks import Block, Blocks, Parameters, parse
from pgwarden.errors import InternalError, NotSupportedError, QueryError

pytestmark = pytest.mark.anyio

FILE = """
-- What this file is about.
-- name: one
SELECT 1;

-- name: two, server: >=16
SELECT 'new'
-- name: two, server: <16
-- A comment of the block.
SELECT 'old'
-- name: three, server: >=99
SELECT 3
"""


def test_a_file_is_split_into_blocks() -> None:
    """Blocks go from their header to the next, without the closing semicolon."""
    assert [(block.name, block.at_least, block.below) for block in parse(FILE)] == [
        ("one", 0, 1000),
        ("two", 16, 1000),
        ("two", 0, 16),
        ("three", 99, 1000),
    ]
    assert parse(FILE)[0].text == "SELECT 1"


@pytest.mark.parametrize(("version", "expected"), [(150_018, "old"), (160_000, "new"), (180_006, "new")])
def test_the_variant_of_the_server_is_picked(version: int, expected: str) -> None:
    """The variant goes by the major version."""
    assert expected in Blocks([FILE]).pick("two", version).text


def test_no_variant_for_the_server() -> None:
    """A server that is too old is told so."""
    with pytest.raises(NotSupportedError):
        Blocks([FILE]).pick("three", 180_000)


def test_an_unknown_block_is_a_defect() -> None:
    """A name that is in no file is our mistake."""
    with pytest.raises(InternalError, match="nothing_like_it"):
        Blocks([FILE]).pick("nothing_like_it", 180_000)


def test_parameters_by_name() -> None:
    """Each name becomes one placeholder, however often it occurs, and doubled percent signs become one."""
    block = Block("b", "SELECT %(b)s, %(a)s, %(b)s, '%%'")
    assert block.render({"a": 1, "b": 2, "unused": 3}) == ("SELECT $1, $2, $1, '%'", (2, 1))


def test_parameters_by_number_leave_the_text_alone() -> None:
    """A block without names is sent as it is."""
    assert Block("b", "SELECT $1, '%%'").render([5]) == ("SELECT $1, '%%'", (5,))


def test_a_missing_parameter_is_a_defect() -> None:
    """A block that is not given what it names is our mistake."""
    with pytest.raises(InternalError, match="missing_one"):
        Block("b", "SELECT %(missing_one)s").render({})


async def test_every_block_is_valid(open_database: OpenDatabase, any_database_url: str) -> None:
    """Every block that has a variant for the server runs, or fails for its (empty) values alone."""
    async with open_database(any_database_url) as db:
        version = (await db.catalog()).version
        assert {"role", "health", "type_names"} <= set(db.blocks.names)
        for name in db.blocks.names:
            try:
                block = db.blocks.pick(name, version)
            except NotSupportedError:
                continue
            numbers = {int(number) for number in re.findall(r"\$(\d+)", block.text)}
            values = dict.fromkeys(block.parameters) or [None] * max(numbers, default=0)
            # Class 42: what is written is wrong. Anything else comes of values that are all NULL.
            assert not (await _sqlstate(db, name, values)).startswith("42"), name


async def test_json_comes_parsed(open_database: OpenDatabase, database_url: str) -> None:
    """A block that returns JSON is parsed."""
    async with open_database(database_url) as db:
        assert isinstance(await db.json("database_info"), dict)


async def test_caps_hold_for_blocks(open_database: OpenDatabase, database_url: str) -> None:
    """A block's result ends at the caps of the call."""
    async with open_database(database_url) as db:
        rows = await db.query("type_names", [[16, 20, 23]], limit=2)
    assert (len(rows.rows), rows.truncated) == (2, "rows")


async def _sqlstate(db: Database, block: str, values: Parameters) -> str:
    try:
        await db.query(block, values)
    except QueryError as exc:
        return str(exc.details["sqlstate"])
    return ""
