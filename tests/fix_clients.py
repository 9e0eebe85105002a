"""Clients that others wrote, where they are installed: `make clients` does that.

A client is looked for in the directory of `--clients-dir` (`.clients` unless it is named), then on PATH. A test whose
client is nowhere is skipped, and says which one it missed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

RUN_S = 90  # seconds that one run of a client may take


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the directory."""
    parser.addoption("--clients-dir", default=".clients", help="where npm has installed MCP clients")


@dataclass(frozen=True)
class Clients:
    """Runs installed clients, isolated: in a home of the test, and with nothing of this machine's environment.

    Attributes:
        modules: `node_modules` of the directory; it need not exist.
        home: Home and working directory of what is run.
    """

    modules: Path
    home: Path

    def program(self, name: str) -> str:
        """Return the path of a program; skips the test where there is none."""
        found = shutil.which(name, path=self._path)
        if found is None:
            pytest.skip(f"{name} is neither in --clients-dir nor on PATH")
        return found

    def module(self, name: str) -> Path:
        """Return the directory of an npm package; skips the test where there is none."""
        if not (self.modules / name).is_dir():
            pytest.skip(f"{name} is not in --clients-dir")
        return self.modules / name

    def run(self, name: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end; keyword arguments are its environment's variables."""
        return subprocess.run(
            [self.program(name), *arguments],
            check=False,
            env=self.environment(variables),
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_S,
        )

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the whole environment of a client."""
        return {"PATH": self._path, "HOME": str(self.home), **variables}

    @property
    def _path(self) -> str:
        # The Node.js that was installed with them comes first: they need a newer one than many systems have.
        return os.pathsep.join([str(self.modules / ".bin"), os.environ.get("PATH", "")])


@pytest.fixture
def clients(request: pytest.FixtureRequest, tmp_path: Path) -> Clients:
    """The installed clients."""
    directory: Path = request.config.rootpath / request.config.getoption("--clients-dir")
    home = tmp_path / "client"
    home.mkdir()
    return Clients(directory / "node_modules", home)
