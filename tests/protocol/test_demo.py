"""`pgwarden demo` as a user runs it: true to its word, and gone without a trace however it ends."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgwarden.demo.stage import DemoError, Stage, check
from pgwarden.providers.local.postmaster import mentioning

DEMO = [sys.executable, "-m", "pgwarden", "demo"]
TIMEOUT_S = 90


@pytest.fixture
def workspace() -> Iterator[Path]:
    """The directory that the demo makes its own directory in."""
    with tempfile.TemporaryDirectory(prefix="pgw-") as made:
        yield Path(made)


@pytest.fixture
def started(workspace: Path) -> Iterator[subprocess.Popen[str]]:
    """A demo that is running."""
    environment = os.environ | {"TMPDIR": str(workspace)}
    process = subprocess.Popen(DEMO, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    yield process
    process.kill()
    process.communicate()


def read_until(process: subprocess.Popen[str], text: str) -> None:
    """Read its output up to the line that has a text."""
    assert process.stdout
    while text not in (line := process.stdout.readline()):
        assert line, process.stderr.read() if process.stderr else ""


def assert_nothing_left(workspace: Path) -> None:
    """Neither a file nor a process of the demo remains."""
    assert list(workspace.iterdir()) == []
    assert mentioning(workspace) == []


@pytest.mark.timeout(TIMEOUT_S)
def test_it_keeps_every_promise(started: subprocess.Popen[str], workspace: Path) -> None:
    """It ends with 0, which means that each of its checks held, and tells so without colours in a pipe."""
    output, errors = started.communicate(timeout=TIMEOUT_S)
    assert (started.returncode, errors) == (0, "")
    assert "nothing was left running" in output.splitlines()[-1]
    assert "\x1b" not in output
    assert len(re.findall(r"^   refused ", output, re.MULTILINE)) == 14
    assert_nothing_left(workspace)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("moment", ["1. ", "2. ", "6. ", "10. "], ids=["creating", "starting", "calling", "asking"])
def test_interrupted_it_cleans_up(
    started: subprocess.Popen[str], workspace: Path, moment: str, number: signal.Signals
) -> None:
    """Ctrl-C and SIGTERM end it with 130 at any moment, and everything is stopped and removed first."""
    read_until(started, moment)
    started.send_signal(number)
    output, _ = started.communicate(timeout=TIMEOUT_S)
    assert started.returncode == 130
    assert "nothing was left running" in output
    assert_nothing_left(workspace)


def test_without_a_reader_it_cleans_up(started: subprocess.Popen[str], workspace: Path) -> None:
    """A closed pipe ends it quietly with 141, as other programs end."""
    read_until(started, "2. ")
    assert started.stdout
    assert started.stderr
    started.stdout.close()
    assert started.wait(TIMEOUT_S) == 141
    assert started.stderr.read() == ""
    assert_nothing_left(workspace)


def test_a_broken_promise_is_an_error() -> None:
    """What is told must be true."""
    check([1], "a list with something in it is true")
    with pytest.raises(DemoError, match="This is not so: rows came back"):
        check([], "rows came back")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets colours, unless NO_COLOR asks for none."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured, plain = Terminal(), Terminal()
    Stage(coloured).scene("Title")
    monkeypatch.setenv("NO_COLOR", "1")
    Stage(plain).scene("Title")
    assert "\x1b[1;36m1. Title\x1b[0m" in coloured.getvalue()
    assert plain.getvalue() == "\n1. Title\n"


def test_a_long_answer_shows_its_beginning_and_its_last_line() -> None:
    """The trailer of a result says how it goes on, so it is never among what is left out."""
    out = io.StringIO()
    Stage(out).show("\n".join(f"line {n}" for n in range(1, 31)), lines=4)
    assert [line.strip() for line in out.getvalue().splitlines()] == [
        "line 1",
        "line 2",
        "line 3",
        "... 26 lines more ...",
        "line 30",
    ]
