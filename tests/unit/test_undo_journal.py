"""The files of what can be undone, without a database."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pgwarden.tools._rows_undo import states
from pgwarden.undo import Entry, Image, Journal, JournalError, Member

DAY_S = 86_400


def entry(images: int = 1, *, undoes: tuple[str, ...] = (), entry_id: str = "", **more: Any) -> Entry:
    """An entry with one change."""
    rows = tuple(Image((str(n), "é\n"), (str(n), None)) for n in range(images))
    member = Member("t", "UPDATE", "s", "t", 1, ("id",), ("id", "v"), ("int", "text"), rows, images, (), undoes)
    facts: dict[str, Any] = {"time": time.time(), "settings": {"TimeZone": "UTC"}, **more}
    return Entry(entry_id or Journal.new_id(), facts.pop("time"), "me", "r", "1", "2", "3", (member,), **facts)


def kept(journal: Journal, made: Entry, *, committed: bool = True) -> Entry:
    """Write an entry that was committed."""
    assert journal.prepare(made)
    journal.settle(made.id, committed=committed)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that is not there yet."""
    return tmp_path / "home" / "changes"


@pytest.fixture
def journal(folder: Path) -> Journal:
    """A journal with room."""
    return Journal(folder, days=7, max_bytes=1_000_000)


def test_what_is_written_is_read(journal: Journal, folder: Path) -> None:
    """A list has the head of each entry, and finding one its rows too; only their owner can read the files."""
    made = kept(journal, entry(3))
    [head] = journal.entries()
    assert head.members[0].rows == 3
    assert head.members[0].images == ()
    found = journal.find(made.id)
    assert found is not None
    assert found.members == made.members
    assert found.settings == {"TimeZone": "UTC"}
    assert found.committed
    [path] = folder.iterdir()
    assert (folder.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)
    kept(journal, entry(), committed=False)
    assert [path.name for path in folder.iterdir()] == [f"{made.id}.json"]


def test_rows_are_not_read_for_a_list(journal: Journal, folder: Path) -> None:
    """A list reads no more of a file than its first line: damage behind it shows when the entry is wanted."""
    made = kept(journal, entry(2))
    path = folder / f"{made.id}.json"
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    assert [each.id for each in journal.entries()] == [made.id]
    assert journal.find(made.id) is None


def _head(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    """Damage a head, and make its checksum right."""

    def damage(data: bytes) -> bytes:
        head, _, rows = data.partition(b"\n")
        body = json.loads(head)["entry"]
        change(body)
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
        return f'{{"checksum":"{hashlib.sha256(text.encode()).hexdigest()}","entry":{text}}}\n'.encode() + rows

    return damage


def _rows(rows: object) -> Callable[[bytes], bytes]:
    """Put other rows in, with the right checksum."""
    text = json.dumps(rows)
    checksum = hashlib.sha256(text.encode()).hexdigest()

    def damage(data: bytes) -> bytes:
        return _head(lambda body: body.update(images=checksum))(data).partition(b"\n")[0] + f"\n{text}\n".encode()

    return damage


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"\xff\xfe\n\n",
        lambda _: b"[" * 100_000,
        lambda _: b"null\nnull\n",
        lambda data: data[:40],
        lambda data: data.replace(b'"caller":"me"', b'"caller":"ME"'),
        _head(lambda body: body.update(time="yesterday")),
        _head(lambda body: body.update(time=float("nan"))),
        _head(lambda body: body.update(time=1e300)),
        _head(lambda body: body.update(xid=7)),
        _head(lambda body: body.update(members=[])),
        _head(lambda body: body.update(members=7)),
        _head(lambda body: body.update(settings={"TimeZone": 7})),
        _head(lambda body: body.update(id="../../etc/pas")),
        _head(lambda body: body["members"][0].update(columns="ab")),
        _head(lambda body: body["members"][0].update(columns=["id"])),
        _head(lambda body: body["members"][0].update(key=["other"])),
        _head(lambda body: body["members"][0].update(oid={})),
        _head(lambda body: body["members"][0].update(schema=None)),
        _head(lambda body: body["members"][0].pop("table")),
        _rows([]),
        _rows([[]]),
        _rows([[[["1"], None]]]),
        _rows([[[["1", 7], None]]]),
        _rows([[["12", None]]]),
        _rows({"a": 1}),
    ],
)
def test_nonsense(journal: Journal, folder: Path, damage: Callable[[bytes], bytes]) -> None:
    """A damaged or forged file is no entry, whatever is in it, and takes no other one with it."""
    good, bad = kept(journal, entry()), kept(journal, entry())
    path = folder / f"{bad.id}.json"
    path.write_bytes(damage(path.read_bytes()))
    assert journal.find(bad.id) is None
    assert good.id in [each.id for each in journal.entries()]


def test_files_that_are_none_of_its_own(journal: Journal, folder: Path, tmp_path: Path) -> None:
    """Links, pipes, directories, other names and files that others can write are left alone."""
    made = kept(journal, entry())
    data = (folder / f"{made.id}.json").read_bytes()
    (tmp_path / "elsewhere").write_bytes(data)
    (folder / "00000000000a.json").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / "00000000000b.json")
    (folder / "00000000000c.json").mkdir()
    (folder / "notes.txt").write_text("mine")
    loose = kept(journal, entry())
    (folder / f"{loose.id}.json").chmod(0o622)
    assert [each.id for each in journal.entries()] == [made.id]
    for name in ("00000000000a", "00000000000b", "00000000000c", loose.id, "../elsewhere", "", "a/b", "\0"):
        assert journal.find(name) is None
    assert (folder / "notes.txt").read_text() == "mine"


def test_the_oldest_make_room(folder: Path) -> None:
    """The oldest entries go when there are too many or they are too old; one larger than all may be is not kept."""
    size = len(entry(50).dump())
    journal = Journal(folder, days=7, max_bytes=3 * size + 100)
    made = [kept(journal, entry(50)) for _ in range(5)]
    assert [each.id for each in journal.entries()] == [each.id for each in reversed(made[-3:])]
    assert not journal.prepare(entry(500))
    assert len(list(folder.iterdir())) == 3
    assert not Journal(folder, days=7, max_bytes=0).prepare(entry())
    past = time.time() - 8 * DAY_S
    os.utime(folder / f"{made[-1].id}.json", (past, past))
    kept(Journal(folder, days=7, max_bytes=10**9), entry())
    assert not (folder / f"{made[-1].id}.json").exists()


def test_what_is_too_old_is_not_shown(journal: Journal) -> None:
    """An entry that nobody has removed yet is none either; one of the future, by another clock, is."""
    old = kept(journal, entry(time=time.time() - 8 * DAY_S))
    new = kept(journal, entry(time=time.time() + DAY_S))
    assert journal.find(old.id) is None
    assert [each.id for each in journal.entries()] == [new.id]


def test_where_nothing_can_be_written(tmp_path: Path, folder: Path) -> None:
    """What cannot be written says why, without a path, and leaves nothing behind."""
    tmp_path.joinpath("home").write_text("")
    with pytest.raises(JournalError) as found:
        Journal(folder, days=7, max_bytes=10_000).prepare(entry())
    assert str(tmp_path) not in str(found.value)
    other = Journal(tmp_path / "other", days=7, max_bytes=10_000)
    with pytest.raises(JournalError):
        other.prepare(entry(entry_id="x/../../y"))
    assert list((tmp_path / "other").iterdir()) == []


def test_full_disk(journal: Journal, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full nothing is left of the entry."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(JournalError, match="No space left on device"):
        journal.prepare(entry())
    assert list(folder.iterdir()) == []


def test_chains_of_undo() -> None:
    """A change is undone while one that undid it is in force, in whatever order the files are."""
    first = entry(entry_id="0" * 12)
    one = entry(entry_id="1" * 12, undoes=(first.id,))
    two = entry(entry_id="2" * 12, undoes=(one.id,))
    again = entry(entry_id="3" * 12, undoes=(first.id,))
    for entries in ([two, one, first], [first, one, two], [one, two, first]):
        assert states(entries) == {one.id: two.id}
    assert states([one, again, first, two]) == {one.id: two.id, first.id: again.id}
    ids = [f"{n:012d}" for n in range(5_000)]
    chain = [entry(entry_id=name, undoes=(ids[n - 1],) if n else ()) for n, name in enumerate(ids)]
    assert len(states(chain)) == 2_500
    circle = [entry(entry_id="a" * 12, undoes=("b" * 12,)), entry(entry_id="b" * 12, undoes=("a" * 12,))]
    assert len(states(circle)) <= 2
