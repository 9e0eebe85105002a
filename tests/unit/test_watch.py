"""Watching the files of the configuration."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from pgwarden.watch import REST_S, Watch


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that has rested."""
    path = tmp_path / "file"
    path.write_text("one\ntwo\n")
    os.utime(path, (1, 1))
    return path


def waited(watch: Watch) -> float:
    """Seconds until the files have settled."""
    started = time.monotonic()
    asyncio.run(watch.settled())
    return time.monotonic() - started


def test_nothing_changes_by_itself(file: Path) -> None:
    """Neither a file that is there nor one that is not; and there may be none to watch."""
    assert not Watch([file, file.parent / "absent"]).changed()
    assert not Watch([]).changed()


def test_every_way_of_changing_is_seen(file: Path) -> None:
    """Written in place, replaced, removed, made."""
    watch = Watch([file])
    file.write_text("three")
    assert watch.changed()
    watch.accept([file])
    other = file.parent / "other"
    other.write_text("three")
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)
    assert watch.changed()
    watch.look([file])
    assert not watch.changed()
    file.unlink()
    assert watch.changed()
    watch.look([file])
    file.write_text("again")
    assert watch.changed()


def test_an_old_file_in_its_place_needs_no_rest(file: Path) -> None:
    """One that was written elsewhere and moved here is whole."""
    watch = Watch([file])
    other = file.parent / "other"
    other.write_text("three")
    os.utime(other, (9, 9))
    other.replace(file)
    assert waited(watch) < 0.1


def test_a_fresh_file_rests(file: Path) -> None:
    """Until nobody has written for a moment."""
    watch = Watch([file])
    file.write_text("three, and more")
    assert waited(watch) >= REST_S * 0.8


@pytest.mark.parametrize("text", ["one\n", "six\n"])
def test_a_file_that_became_shorter_rests_longer(text: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its other half may be about to come."""
    monkeypatch.setattr("pgwarden.watch.CUT_REST_S", 0.7)
    watch = Watch([file])
    file.write_text(text)
    assert 0.6 <= waited(watch) <= 2


def test_a_clock_of_another_machine_does_not_hold_up(file: Path) -> None:
    """A time of change in the future is taken for what it is."""
    watch = Watch([file])
    file.write_text("three, and more")
    os.utime(file, (2**33, 2**33))
    assert waited(watch) < REST_S + 0.5


def test_emptied(file: Path) -> None:
    """A file that had something in it and has nothing now; not one that never had."""
    empty = file.parent / "empty"
    empty.write_text("")
    watch = Watch([file, empty])
    assert watch.emptied() is None
    file.write_text(" \n")
    assert watch.emptied() == file


def test_a_time_that_was_set_back(file: Path) -> None:
    """Tools that keep the times of what they copy hide no change, be it of the same size and in place."""
    watch, times = Watch([file]), file.stat()
    with file.open("r+") as stream:
        stream.write("eno")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert watch.changed()


def test_a_pipe_is_not_read(file: Path) -> None:
    """Nobody may ever write to it; in place of a file it is a change, and by itself it never is one."""
    watch = Watch([file])
    file.unlink()
    os.mkfifo(file)
    assert watch.changed()
    assert watch.emptied() == file
    assert waited(watch) < 1
    watch.accept([file])
    assert not watch.changed()
