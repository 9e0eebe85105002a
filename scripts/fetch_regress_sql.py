"""Fetch PostgreSQL's regression SQL, which the guard's differential tests run over.

pglast's source distribution carries it (a test dependency; its wheel leaves it out), so pip fetches it the way it
fetches every dependency: from the index that the machine is set up for. Only the SQL is kept, under build/.

    python scripts/fetch_regress_sql.py [folder]
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

DEFAULT = Path(__file__).parents[1] / "build" / "regress-sql"
INSIDE = "/test/sql/postgres_regress/"


def download(folder: Path) -> Path:
    """Download the source distribution of the installed pglast into the folder and return its path.

    Raises:
        subprocess.CalledProcessError: pip could not.
    """
    requirement = f"pglast=={version('pglast')}"
    options = ["--no-deps", "--no-binary", "pglast", "--dest", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, requirement], check=True)  # noqa: S603
    return next(folder.glob("pglast-*.tar.gz"))


def extract(archive: Path, folder: Path) -> int:
    """Write the regression SQL of the archive, flat, into the folder; return the number of files."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with tarfile.open(archive) as source:
        for member in source:
            content = source.extractfile(member) if member.isfile() else None
            if content and INSIDE in member.name and member.name.endswith(".sql"):
                (folder / Path(member.name).name).write_bytes(content.read())
                count += 1
    return count


def main() -> None:
    """Fetch into the folder of the command line, else into build/."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    with tempfile.TemporaryDirectory() as scratch:
        count = extract(download(Path(scratch)), folder)
    if not count:
        sys.exit("this pglast's source distribution carries no regression SQL")
    print(f"{count} files in {folder}")


if __name__ == "__main__":
    main()
