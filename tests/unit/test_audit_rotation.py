"""Rotation of the audit log: one chain through all the files, whatever happens in between."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pgwarden.audit import AuditLog, Verification, verify
from pgwarden.audit.search import Filter, find, newest

LINE = 200
"""Bytes of a line of these tests, about; three fit into a file."""


def write(path: Path, count: int, *, keep: int = 4) -> None:
    """Append lines to a log that begins a new file after three of them."""
    log = AuditLog(path, max_bytes=3 * LINE, keep=keep)
    for _ in range(count):
        log.append({"tool": "run_query", "padding": "x" * 80})
    log.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of eight lines in three files."""
    path = tmp_path / "audit.jsonl"
    write(path, 8)
    return path


def names(path: Path) -> list[str]:
    """Return the names of the log's files."""
    return sorted(each.name for each in path.parent.iterdir())


def numbers(path: Path) -> list[int]:
    """Return the numbers of the kept lines, oldest first."""
    return [record["n"] for record in newest(path, Filter(), None)]


def test_the_chain_runs_through_all_files(path: Path) -> None:
    """No file is beyond the bound, the numbers go on, and everything verifies."""
    assert names(path) == ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2", "audit.jsonl.head"]
    assert all(each.stat().st_size <= 3 * LINE for each in path.parent.iterdir())
    assert numbers(path) == list(range(1, 9))
    assert verify(path) == Verification(8)


@pytest.mark.parametrize("keep", [1, 2])
def test_the_oldest_files_go(path: Path, keep: int) -> None:
    """As many rotated files as wanted are kept, also where there were more before; what they hold still verifies."""
    write(path, 9, keep=keep)
    assert len(names(path)) == keep + 2
    found = verify(path)
    assert found.problem is None
    assert found.first == numbers(path)[0] > 1
    assert found.lines == 17 - found.first + 1


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda path: (path / "audit.jsonl.2").unlink(), id="oldest removed"),
        pytest.param(lambda path: (path / "audit.jsonl.1").unlink(), id="middle removed"),
        pytest.param(lambda path: (path / "audit.jsonl").unlink(), id="newest removed"),
        pytest.param(lambda path: os.truncate(path / "audit.jsonl.1", 0), id="middle emptied"),
        pytest.param(lambda path: os.truncate(path / "audit.jsonl.2", 100), id="oldest cut"),
        pytest.param(lambda path: shutil.copy(path / "audit.jsonl.2", path / "audit.jsonl.3"), id="one twice"),
        pytest.param(
            lambda path: (path / "audit.jsonl.2").write_text(
                (path / "audit.jsonl.2").read_text().replace("run_query", "list_them", 1)
            ),
            id="changed",
        ),
    ],
)
@pytest.mark.parametrize("then_append", [0, 1, 4])
def test_tampering_is_found_in_any_file(path: Path, harm: Callable[[Path], object], then_append: int) -> None:
    """A rotated file that was changed or removed shows, also after the log has gone on and rotated again."""
    harm(path.parent)
    write(path, then_append, keep=10)
    assert verify(path).problem


def test_what_was_tampered_with_is_not_pruned(path: Path) -> None:
    """Rotation would remove the evidence: it keeps more files than wanted rather."""
    damaged = path.with_name("audit.jsonl.1")
    damaged.write_bytes(b"{}\n" + damaged.read_bytes())
    write(path, 3, keep=2)
    assert len(names(path)) == 5
    assert verify(path).problem


def crash_after(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next rotation end in the middle: after `step` of its renames and removals."""
    left = iter(range(step))

    def stop(real: Callable[..., None]) -> Callable[..., None]:
        def wrapped(*arguments: object, **options: object) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            real(*arguments, **options)

        return wrapped

    monkeypatch.setattr(os, "rename", stop(os.rename))
    monkeypatch.setattr(Path, "unlink", stop(Path.unlink))


@pytest.mark.parametrize("step", range(6))
def test_a_crash_in_a_rotation_is_fine(path: Path, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it ends, the log verifies, and the next append puts the files right."""
    write(path, 7, keep=4)
    assert len(names(path)) == 6
    with monkeypatch.context() as patched:
        crash_after(step, patched)
        try:
            write(path, 1, keep=4)
        except KeyboardInterrupt:
            assert step < 5
        else:
            assert step == 5
    assert verify(path).problem is None
    write(path, 4, keep=4)
    assert verify(path).problem is None
    assert numbers(path)[-1] >= 19
    assert len(names(path)) <= 6


def test_processes_rotate_together(tmp_path: Path) -> None:
    """Several servers that rotate one log lose no line and break no chain."""
    code = (
        "import sys; from pathlib import Path; from pgwarden.audit import AuditLog\n"
        "log = AuditLog(Path(sys.argv[1]), max_bytes=2000, keep=500)\n"
        "for n in range(150): log.append({'tool': 'x', 'n2': n})\n"
    )
    path = tmp_path / "audit.jsonl"
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert verify(path) == Verification(450)
    assert len(names(path)) > 20


def test_a_log_that_cannot_be_rotated_goes_on(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Too long a log is better than a missing line; the operator is told."""
    blocker = path.with_name("audit.jsonl.3")
    blocker.mkdir()
    (blocker / "file").touch()
    write(path, 2, keep=2)
    assert verify_without(blocker, path).problem is None
    assert "cannot be rotated" in caplog.text


def verify_without(blocker: Path, path: Path) -> Verification:
    """Verify once what stood in the way is gone."""
    shutil.rmtree(blocker)
    return verify(path)


def test_a_head_of_before_rotation_is_understood(path: Path) -> None:
    """A head file of two members, as written once, keeps the chain from its first line."""
    head = path.with_name("audit.jsonl.head")
    head.write_text(" ".join(head.read_text().split()[:2]) + "\n")
    assert verify(path) == Verification(8)
    write(path, 1)
    assert verify(path) == Verification(9)


def test_any_line_can_be_found(path: Path) -> None:
    """Lines are found by number in whichever file they are."""
    assert [(find(path, n) or {})["n"] for n in (1, 3, 4, 8)] == [1, 3, 4, 8]
    assert find(path, 9) is None
    write(path, 6, keep=1)
    assert find(path, 1) is None


def test_lines_longer_than_a_block_are_read_backwards(tmp_path: Path) -> None:
    """The newest lines come whole, however long, without reading the file from its start."""
    log = AuditLog(tmp_path / "audit.jsonl")
    for size in (10, 200_000, 10, 70_000):
        log.append({"text": "é" * size})
    assert [len(record["text"]) for record in newest(log.path, Filter(), 3)] == [200_000, 10, 70_000]
    with log.path.open("ab") as stream:
        stream.write(b'not json\n{"n": "x"}\n')
    assert [record["n"] for record in newest(log.path, Filter(), 2)] == [3, 4]
    assert json.loads(log.path.read_bytes().splitlines()[0])["n"] == 1


def test_rotated_files_of_a_lost_chain_are_not_passed_over(path: Path) -> None:
    """Who removes the log and its head, and leaves what was rotated, is found out when the server has gone on."""
    write(path, 9, keep=2)
    assert verify(path).first > 1
    path.unlink()
    path.with_name(f"{path.name}.head").unlink()
    log = AuditLog(path)
    log.append({"tool": "after"})
    log.close()
    assert verify(path).problem
