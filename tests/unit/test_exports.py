"""Export files: names that lead nowhere else, files that are there whole or not at all, and the formats' text."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgwarden.db.cursor import dump
from pgwarden.db.errors import ServerMessage
from pgwarden.db.export import Order, _Shipment
from pgwarden.db.link import Step
from pgwarden.errors import ArgumentError, NotSupportedError
from pgwarden.exports import Block, ExportError, ExportFile, ExportFolder, Field, encoder, file, folder, unique
from pgwarden.guard.lexer import Kind, lex
from pgwarden.guard.shields import Masking
from pgwarden.policy.masks import Mask

STEPS = st.sampled_from(
    ["..", ".", "", "a", "b.csv", ".hidden", "link", "link.csv", "~", "a\0b", "\\..", "é", "\ud800"]
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The export directory."""
    return tmp_path / "exports"


def begun(root: Path, path: str = "x.csv", *, overwrite: bool = False, max_bytes: int = 0) -> ExportFile:
    """Begin a file."""
    where = ExportFolder(root, max_bytes)
    return where.open(where.place(path, "csv"), overwrite=overwrite)


def names(root: Path) -> set[str]:
    """Everything under a directory."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}


@given(st.one_of(st.text(max_size=40), st.lists(STEPS, max_size=6).map("/".join)), st.booleans())
def test_no_path_leads_out(path: str, absolute: bool) -> None:
    """Whatever the path is, it is refused or what it makes is in the directory, and never hidden."""
    with tempfile.TemporaryDirectory() as base:
        root, outside = Path(base, "exports"), Path(base, "outside")
        root.mkdir()
        outside.mkdir()
        (root / "link").symlink_to(outside)
        (root / "link.csv").symlink_to(outside / "target.csv")
        where = ExportFolder(root)
        try:
            place = where.place(f"{root}/{path}" if absolute else path, "csv")
            made = where.open(place, overwrite=True)
        except ArgumentError:
            pass
        else:
            made.write(b"data")
            made.publish()
            assert where.absolute(place).read_bytes() == b"data"
            assert where.absolute(place).resolve().is_relative_to(root.resolve())
            assert not any(step.startswith(".") for step in place.steps)
        assert names(outside) == set()
        assert not any(Path(name).name.startswith(".") for name in names(root))
        assert set(os.listdir(base)) == {"exports", "outside"}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("a.csv", "a.csv"),
        ("a", "a.csv"),
        ("a/b/c.csv", "a/b/c.csv"),
        ("2026.01", "2026.01.csv"),
        ("a b.CSV", "a b.CSV"),
    ],
)
def test_paths_that_are_taken(root: Path, path: str, place: str) -> None:
    """A path is relative; a name without the ending of a format gets one."""
    assert str(ExportFolder(root).place(path, "csv")) == place
    assert str(ExportFolder(root).place(f"{root}/{path}", "csv")) == place


@pytest.mark.parametrize("path", ["conftest.py", "governance.yaml", "prod.env", "a.sh", "x.csv.", "a.csv.py"])
def test_an_export_is_no_program_and_no_policy(root: Path, path: str) -> None:
    """Rows and names of columns can say anything, so what they are written to has the ending of their format."""
    for form in ("csv", "json"):
        assert str(ExportFolder(root).place(path, form)) == f"{path}.{form}"


def test_what_exports_could_overwrite(root: Path) -> None:
    """What is in the directory and could be named there, or is a directory of such; links lead where they lead."""
    (root / "in").mkdir(parents=True)
    (root / ".state").mkdir()
    (root / "in/policy.yaml").touch()
    (root.parent / "link").symlink_to(root)
    where = ExportFolder(root)
    for path in ("in", "in/audit.jsonl", "in/absent.json", "../link/in"):
        assert where.reaches(root / path), path
    for path in ("..", "../audit.jsonl", "../exports2", ".state", ".state/audit.jsonl", "in/policy.yaml"):
        assert not where.reaches(root / path), path


@pytest.mark.parametrize(
    "path",
    ["../a.csv", "a/../b.csv", "/etc/a.csv", ".a.csv", "a/", "a//b", "./a", "a\n.csv", "x" * 300, "a/" * 9 + "b"],
)
def test_paths_that_are_not(root: Path, path: str) -> None:
    """Refused with a code, and nothing is made."""
    with pytest.raises(ArgumentError) as error:
        ExportFolder(root).place(path, "csv")
    assert error.value.error_code == "path_not_allowed"
    assert not root.exists()


def test_a_path_with_the_ending_of_another_format(root: Path) -> None:
    """Is a slip worth telling."""
    with pytest.raises(ArgumentError, match="ends like json"):
        ExportFolder(root).place("a.json", "csv")


def test_a_name_is_made(root: Path) -> None:
    """Without a path, and never the same twice."""
    made = {str(ExportFolder(root).place("", "parquet")) for _ in range(100)}
    assert len(made) == 100
    assert all(name.endswith(".parquet") for name in made)


@pytest.mark.parametrize("overwrite", [False, True])
def test_another_file_in_its_place(root: Path, overwrite: bool) -> None:
    """Where others may write to the directory: what is published is what was written, or nothing is."""
    made = begun(root, overwrite=overwrite)
    made.write(b"one")
    [temporary] = names(root)
    (root / temporary).unlink()
    (root / temporary).symlink_to("/etc/hosts")
    with pytest.raises(ExportError, match="in the place"):
        made.publish()
    assert not names(root)


def test_a_file_appears_whole(root: Path) -> None:
    """Until it is published there is only a hidden file for the owner alone; afterwards only the file."""
    made = begun(root, "a/b.csv")
    made.write(b"one")
    [temporary] = names(root)
    assert temporary.startswith("a/.pgwarden-")
    assert (root / temporary).stat().st_mode & 0o777 == 0o600
    made.sync()
    made.publish()
    assert names(root) == {"a/b.csv"}
    assert (root / "a/b.csv").read_bytes() == b"one"
    assert (root / "a/b.csv").stat().st_mode & 0o777 == 0o600


def test_discarded(root: Path) -> None:
    """Nothing stays, also where more is written from a thread that does not know yet."""
    made = begun(root)
    made.write(b"one")
    made.discard()
    assert made.write(b"two") == 3
    made.discard()
    assert names(root) == set()


def test_discarded_while_the_disk_hangs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits; whoever was writing removes the file when that is over."""
    made, hangs, begins = begun(root), threading.Event(), threading.Event()
    system = os.write

    def slow(descriptor: int, data: bytes) -> int:
        begins.set()
        hangs.wait(10)
        return system(descriptor, data)

    monkeypatch.setattr(os, "write", slow)
    writer = threading.Thread(target=made.write, args=(b"data",))
    writer.start()
    assert begins.wait(10)
    made.discard()
    assert len(names(root)) == 1
    hangs.set()
    writer.join()
    assert names(root) == set()


def test_a_name_that_is_taken(root: Path) -> None:
    """Is found before anything runs, and again when the file came meanwhile: exactly one of two wins."""
    first, second = begun(root), begun(root)
    first.write(b"first")
    second.write(b"second")
    second.publish()
    with pytest.raises(ArgumentError) as error:
        first.publish()
    assert error.value.error_code == "file_exists"
    with pytest.raises(ArgumentError, match="already"):
        begun(root)
    assert (root / "x.csv").read_bytes() == b"second"
    assert names(root) == {"x.csv"}


def test_overwriting(root: Path) -> None:
    """The old file is there until the new one is whole; a symbolic link is replaced and not followed."""
    root.mkdir()
    (root / "kept").write_bytes(b"kept")
    (root / "x.csv").symlink_to(root / "kept")
    made = begun(root, overwrite=True)
    made.write(b"new")
    assert (root / "x.csv").read_bytes() == b"kept"
    made.publish()
    assert (root / "kept").read_bytes() == b"kept"
    assert (root / "x.csv").read_bytes() == b"new"
    assert not (root / "x.csv").is_symlink()


def test_a_directory_is_not_overwritten(root: Path) -> None:
    """A directory of that name stays."""
    (root / "x.csv").mkdir(parents=True)
    made = begun(root, overwrite=True)
    with pytest.raises(ArgumentError, match="is a directory"):
        made.publish()
    assert names(root) == set()


def test_the_cap(root: Path) -> None:
    """What would exceed it is an error."""
    made = begun(root, max_bytes=4)
    made.write(b"1234")
    with pytest.raises(ExportError) as error:
        made.write(b"5")
    assert error.value.error_code == "export_too_large"
    made.discard()


def test_no_room(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is nearly full nothing is begun, nor goes on."""
    made = begun(root)
    monkeypatch.setattr(file, "MIN_FREE", 1 << 62)
    monkeypatch.setattr(file, "_LOOK", 10)
    with pytest.raises(ExportError) as error:
        made.write(b"more than ten bytes")
    assert error.value.error_code == "disk_full"
    made.discard()
    with pytest.raises(ExportError):
        begun(root)
    assert names(root) == set()


@pytest.mark.parametrize("system", [lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))])
def test_the_system_says_that_the_disk_is_full(
    root: Path, system: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told in our words."""
    made = begun(root)
    monkeypatch.setattr(os, "write", system)
    with pytest.raises(ExportError, match="no room"):
        made.write(b"data")
    monkeypatch.undo()
    made.discard()


def test_what_killed_processes_left(root: Path) -> None:
    """Is removed at the next export, wherever it is; what is being written, and what is not ours, stays."""
    alive = begun(root, "a/x.csv")
    [living] = names(root)
    for name in ("a/.pgwarden-dead.part", ".pgwarden-dead.part", "a/mine.part", ".pgwarden-other"):
        (root / name).write_bytes(b"half")
    ExportFolder(root).clean()
    assert names(root) == {living, "a/mine.part", ".pgwarden-other"}
    alive.publish()
    assert (root / "a/x.csv").exists()


def test_cleaning_does_not_follow_links(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is outside is nobody's to remove; nor does a large directory hold a call up."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / ".pgwarden-dead.part").write_bytes(b"half")
    root.mkdir()
    (root / "link").symlink_to(outside)
    ExportFolder(root).clean()
    assert names(outside) == {".pgwarden-dead.part"}
    monkeypatch.setattr(folder, "_LOOKED_AT", 0)
    ExportFolder(root).clean()


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    """Where a file is in the way the error names the setting."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError) as error:
        begun(tmp_path / "file" / "exports")
    assert "PGWARDEN_EXPORT_DIR" in str(error.value.hint)


def test_a_step_that_is_a_link(root: Path, tmp_path: Path) -> None:
    """A directory that is a symbolic link is refused, even if it leads inside."""
    (root / "real").mkdir(parents=True)
    (root / "link").symlink_to(root / "real")
    (root / "file").write_text("")
    for step in ("link", "file"):
        with pytest.raises(ArgumentError, match="symbolic link"):
            begun(root, f"{step}/x.csv")


@given(st.lists(st.text(alphabet="ab_2é", max_size=40).map(lambda text: text[:31]), max_size=12))
def test_unique_names(given_names: list[str]) -> None:
    """No two are the same, first ones keep theirs, and none is longer than PostgreSQL takes."""
    made = unique(given_names)
    assert len(set(made)) == len(made) == len(given_names)
    assert all(len(name.encode()) <= 63 for name in made)
    for at, name in enumerate(given_names):
        if name not in given_names[:at]:
            assert made[at] == name


CELLS = st.one_of(st.none(), st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")))


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1))
def test_csv_of_values(rows: list[tuple[str | None, ...]]) -> None:
    """Any CSV reader gets the values back; NULL is told from an empty text by the quotes alone."""
    out = Memory()
    sink = encoder("csv", out)
    sink.begin([Field("a", 25), Field('b"', 25)])
    sink.take(Block(len(rows), values=rows))
    sink.end()
    text = out.data.decode()
    read = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert read[1:] == [[cell or "" for cell in row] for row in rows]
    assert text.count('""') >= sum(cell == "" for row in rows for cell in row)


@pytest.mark.parametrize(("form", "count"), [("json", 0), ("json", 3), ("ndjson", 0), ("ndjson", 3)])
def test_json_of_lines(form: str, count: int) -> None:
    """An array has a row in each line, and is one also without any."""
    out = Memory()
    sink = encoder(form, out)
    sink.begin([])
    for number in range(count):
        sink.take(Block(2, b'{"a":%d}\n{"a":"x"}\n' % number))
    sink.take(Block(0))
    sink.end()
    if form == "json":
        assert len(json.loads(out.data)) == 2 * count
    else:
        assert len([json.loads(line) for line in out.data.splitlines()]) == 2 * count


def test_parquet_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(NotSupportedError) as error:
        encoder("parquet", Memory())
    assert "pgwarden[parquet]" in str(error.value.hint)


def test_parquet_of_what_has_no_place() -> None:
    """The error names the column and not the value."""
    pytest.importorskip("pyarrow")
    sink = encoder("parquet", Memory())
    sink.begin([Field("day", 1082)])
    sink.take(Block(1, values=[("infinity",)]))
    with pytest.raises(ExportError, match="day") as error:
        sink.end()
    assert error.value.error_code == "value_not_supported"
    assert "text" in str(error.value.hint)


def test_parquet_in_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are written as soon as there are enough for a group."""
    parquet: Any = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("pgwarden.exports.parquet.GROUP_ROWS", 10)
    out = Memory()
    sink = encoder("parquet", out)
    sink.begin([Field("n", 23), Field("n", 25)])
    for number in range(5):
        sink.take(Block(5, values=[(str(number), None)] * 5))
    sink.end()
    read = parquet.ParquetFile(io.BytesIO(out.data))
    assert read.metadata.num_row_groups == 3
    assert read.schema_arrow.names == ["n", "n_2"]
    assert read.read().column("n").to_pylist() == [number for number in range(5) for _ in range(5)]


class Memory:
    """A file in memory."""

    closed = False

    def __init__(self) -> None:
        """Begin it."""
        self.data = b""

    def write(self, data: bytes | bytearray) -> int:
        """Append."""
        self.data += data
        return len(data)

    def tell(self) -> int:
        """Its size."""
        return len(self.data)

    def flush(self) -> None:
        """Nothing is kept back."""


class Wire:
    """Stands for a link: describes columns of any name, keeps what would run, and gives no rows."""

    def __init__(self, names: list[str]) -> None:
        """Name the columns."""
        self.names = names
        self.steps: list[Step] = []

    async def begin(self, settings: Step, statement: Step) -> tuple[Any, None]:
        """Describe."""
        self.steps.append(statement)
        return self, None

    async def start(self, statement: Step, *, chunks: bool) -> ServerMessage:
        """Keep the statement, and refuse to run it."""
        self.steps.append(statement)
        return ServerMessage("57014", "no")

    @property
    def nfields(self) -> int:
        """How many columns."""
        return len(self.names)

    def fname(self, index: int) -> bytes:
        """The name of one."""
        return self.names[index].encode()

    def ftype(self, index: int) -> int:
        """All are text."""
        return 25

    def fmod(self, index: int) -> int:
        """Without a length."""
        return -1

    def ftable(self, index: int) -> int:
        """The table of one."""
        return 1

    ftablecol = ftable


NAMES = st.lists(st.text(alphabet=[chr(code) for code in range(32, 127)], min_size=1, max_size=12), max_size=4)


@given(NAMES, st.lists(st.text(), max_size=3), st.sampled_from(["csv", "json", "parquet"]), st.booleans())
def test_no_value_and_no_name_changes_the_statement(
    given_names: list[str], values: list[str], form: str, masked: bool
) -> None:
    """What runs is the statement, once, in a text that depends on nothing else but quoted names; values are bound."""
    if form == "parquet":
        pytest.importorskip("pyarrow")
    mask = Masking(outputs={(1, 1): Mask("hash")}, key=b"secret") if masked and given_names else None
    wire, sink = Wire(given_names), encoder(form, Memory())
    try:
        dump(values)
    except ArgumentError:
        return
    shipment = _Shipment(Order("SELECT canonical", values, sink, 1, None, mask, None))
    error = asyncio.run(shipment.run(wire, Step(b"")))  # type: ignore[arg-type]
    assert error is not None
    described, run = wire.steps
    text = run.text.decode()
    assert described.text == b"SELECT canonical"
    assert text.count("\nSELECT canonical\n") == 1 or text == "SELECT canonical"
    assert text[shipment.before :].startswith("SELECT canonical")
    bound = [value.decode() for value in run.values or ()]
    assert bound == [*values, *([b"secret".hex()] if mask else [])]
    assert text.startswith("COPY (") == (not bound and form != "parquet")
    tokens = lex(text.replace(r"E'\x01'", "'q'").replace(r"E'\x02'", "'d'"))
    quoted = [token.value for token in tokens if token.kind is Kind.QUOTED]
    expected = [*given_names] if mask else []
    if form == "json" and unique(given_names) != given_names:
        expected += unique(given_names)
    assert quoted == expected
    assert {token.text for token in tokens if token.kind is Kind.PARAMETER} == ({f"${len(bound)}"} if mask else set())
