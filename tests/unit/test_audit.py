"""The audit log: the chain, its verification, and what happens when the disk or another process interferes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pgwarden.audit import AuditLog, Verification, verify
from pgwarden.errors import AuditError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log with five lines."""
    log = AuditLog(tmp_path / "state" / "audit.jsonl")
    for number in range(5):
        log.append({"tool": "run_query", "number": number})
    log.close()
    return log.path


def lines(path: Path) -> list[bytes]:
    """The log's lines."""
    return path.read_bytes().splitlines(keepends=True)


def test_an_untouched_log_verifies(path: Path) -> None:
    """Every line is counted and nothing is found."""
    assert verify(path).problem is None
    assert verify(path).lines == 5
    assert [json.loads(line)["n"] for line in lines(path)] == [1, 2, 3, 4, 5]


def test_only_the_owner_reads_it(path: Path) -> None:
    """SQL can hold personal data."""
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda all_: [*all_[:2], all_[2].replace(b"run_query", b"list_them"), *all_[3:]], id="changed"),
        pytest.param(lambda all_: [*all_[:2], *all_[3:]], id="removed"),
        pytest.param(lambda all_: all_[1:], id="first removed"),
        pytest.param(lambda all_: all_[:-1], id="last removed"),
        pytest.param(lambda all_: [*all_[:-1], all_[-1].replace(b":4", b":9")], id="last changed"),
        pytest.param(lambda all_: [], id="emptied"),
        pytest.param(lambda all_: [all_[1], all_[0], *all_[2:]], id="swapped"),
        pytest.param(lambda all_: [*all_[:3], b"{}\n", *all_[3:]], id="added"),
        pytest.param(lambda all_: [*all_[:-1], all_[-1][:-10]], id="torn"),
    ],
)
@pytest.mark.parametrize("then_append", [False, True])
def test_tampering_is_found(path: Path, tamper: object, then_append: bool) -> None:
    """Whatever is done to a line shows, also after the server has gone on writing."""
    path.write_bytes(b"".join(tamper(lines(path))))  # type: ignore[operator]
    if then_append:
        log = AuditLog(path)
        log.append({"tool": "later"})
        log.close()
    assert verify(path).problem


def test_tampering_under_a_running_server_is_found(path: Path) -> None:
    """A log that is cut while it is open does not heal."""
    log = AuditLog(path)
    log.append({"tool": "before"})
    path.write_bytes(b"".join(lines(path)[:3]))
    log.append({"tool": "after"})
    log.close()
    assert verify(path).problem


def test_a_removed_head_is_reported(path: Path) -> None:
    """Without the head file a cut-off end could not be seen."""
    path.with_name("audit.jsonl.head").unlink()
    assert "head" in (verify(path).problem or "")


def test_a_crash_between_the_two_writes_is_fine(path: Path) -> None:
    """A head one line behind is what a crash leaves; it is no tampering, and the next line goes on."""
    head = path.with_name("audit.jsonl.head")
    before = head.read_bytes()
    log = AuditLog(path)
    log.append({"tool": "sixth"})
    head.write_bytes(before)
    assert verify(path).problem is None
    log.append({"tool": "seventh"})
    log.close()
    assert verify(path) == Verification(7)


def test_two_processes_share_one_chain(path: Path) -> None:
    """Concurrent servers append whole lines to one unbroken chain."""
    code = (
        "import sys; from pathlib import Path; from pgwarden.audit import AuditLog\n"
        "log = AuditLog(Path(sys.argv[1]))\n"
        "for n in range(200): log.append({'tool': 'x', 'n2': n})\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(path)]) for _ in range(3)]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert verify(path).problem is None
    assert verify(path).lines == 605


def test_a_log_moved_away_goes_on_in_a_new_file(path: Path, tmp_path: Path) -> None:
    """After a rotation of log and head the new file starts its own chain."""
    log = AuditLog(path)
    log.append({"tool": "before"})
    os.rename(path, tmp_path / "old.jsonl")
    os.rename(f"{path}.head", tmp_path / "old.jsonl.head")
    log.append({"tool": "after"})
    log.close()
    assert verify(path).lines == 1
    assert verify(tmp_path / "old.jsonl").lines == 6
    assert verify(path).problem is None
    assert verify(tmp_path / "old.jsonl").problem is None


def test_an_unwritable_place_is_an_error(tmp_path: Path) -> None:
    """The error names the file and what to do."""
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(AuditError, match="cannot be written"):
        AuditLog(blocker / "audit.jsonl").append({})
    with pytest.raises(AuditError, match="cannot be read"):
        verify(tmp_path / "absent.jsonl")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_an_error(tmp_path: Path) -> None:
    """A line that cannot be written whole is reported, not lost."""
    (tmp_path / "audit.jsonl").symlink_to("/dev/full")
    log = AuditLog(tmp_path / "audit.jsonl")
    with pytest.raises(AuditError):
        log.append({"tool": "x"})
    log.close()


def test_no_part_of_a_line_stays(path: Path) -> None:
    """Where a line does not fit whole, it is undone, said, and the log goes on once there is room again."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from pgwarden.audit import AuditLog; from pgwarden.errors import AuditError\n"
        "path = Path(sys.argv[1]); log = AuditLog(path); size = path.stat().st_size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, resource.RLIM_INFINITY))\n"
        "try: log.append({'tool': 'x' * 100}, durable=True)\n"
        "except AuditError: pass\n"
        "else: sys.exit('the line was written')\n"
        "assert path.stat().st_size == size\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "log.append({'tool': 'y'}, durable=True)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=60)
    assert verify(path) == Verification(6)


@pytest.mark.parametrize("failing", [1, 2])
def test_a_line_that_does_not_reach_the_disk_is_undone(
    path: Path, failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A durable line is forced to disk with its head; where either fails, neither stays."""
    calls = 0

    def fsync(_: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    log = AuditLog(path)
    log.append({"tool": "cached"})
    assert calls == 0
    with pytest.raises(AuditError, match="cannot be written"):
        log.append({"tool": "lost"}, durable=True)
    assert verify(path) == Verification(6)
    log.append({"tool": "kept"}, durable=True)
    assert verify(path) == Verification(7)
    assert calls == failing + 2


def test_a_held_lock_does_not_hold_the_server(tmp_path: Path) -> None:
    """A process that is stopped while it holds the log's lock costs a moment, and then an error."""
    log = AuditLog(tmp_path / "audit.jsonl")
    log.append({"tool": "x"})
    with (tmp_path / "audit.jsonl.head").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(AuditError, match="lock"):
            log.append({"tool": "y"})
    log.append({"tool": "z"})
    assert verify(log.path).lines == 2


def test_hostile_text_stays_one_line(tmp_path: Path) -> None:
    """Line breaks and lone surrogates in arguments cannot forge or break a line."""
    log = AuditLog(tmp_path / "audit.jsonl")
    log.append({"sql": 'x"}\n{"n":2}\r\u2028 \ud800'})
    log.append({"sql": "y"})
    log.close()
    assert verify(log.path).problem is None
    assert verify(log.path).lines == 2


@pytest.mark.parametrize("left", [5, 3, 1])
@pytest.mark.parametrize("head", [None, b"", b"nonsense\n"], ids=["removed", "emptied", "damaged"])
def test_a_lost_head_does_not_heal(path: Path, head: bytes | None, left: int) -> None:
    """A server that starts without the head cannot know what was cut off, and leaves a break that stays."""
    path.write_bytes(b"".join(lines(path)[:left]))
    if head is None:
        path.with_name("audit.jsonl.head").unlink()
    else:
        path.with_name("audit.jsonl.head").write_bytes(head)
    for tool in ("first", "second"):
        log = AuditLog(path)
        log.append({"tool": tool})
        log.close()
    # One line and an empty head are what a crash at the first line leaves.
    assert bool(verify(path).problem) is not (left == 1 and head != b"nonsense\n")


@pytest.mark.parametrize("left", [0, 1, 3, 5, 6])
def test_a_head_lost_under_a_running_server(path: Path, left: int) -> None:
    """The server remembers where it was: whatever was cut off together with the head shows, and nothing else does."""
    log = AuditLog(path)
    log.append({"tool": "before"})
    path.with_name("audit.jsonl.head").unlink()
    path.write_bytes(b"".join(lines(path)[:left]))
    log.append({"tool": "after"})
    log.close()
    assert bool(verify(path).problem) is (left < 6)


def test_lines_that_the_head_does_not_know_are_told(path: Path) -> None:
    """A crash leaves one, and somebody who can write the log alone can add some that chain on."""
    head = path.with_name("audit.jsonl.head")
    before = head.read_bytes()
    log = AuditLog(path)
    log.append({"tool": "sixth"})
    log.close()
    assert verify(path).beyond == 0
    head.write_bytes(before)
    assert verify(path) == Verification(6, beyond=1)


@pytest.mark.parametrize("kind", ["device", "pipe", "directory"])
def test_only_a_file_is_a_log(tmp_path: Path, kind: str) -> None:
    """What keeps nothing is no place for a record, whether it takes the bytes or not."""
    path = tmp_path / "audit.jsonl"
    if kind == "device":
        path.symlink_to(os.devnull)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    log = AuditLog(path)
    for _ in range(2):
        with pytest.raises(AuditError, match=r"is not a file|Is a directory"):
            log.append({"tool": "x"})
    log.close()
