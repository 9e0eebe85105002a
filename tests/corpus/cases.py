"""Read the corpus: statements and what the guard must say of each. README.md has the form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent
HEADER = re.compile(
    r"@(?P<verdict>allow|deny)(?P<each>-each)? (?P<id>[a-z0-9-]+)( \((?P<code>[a-z_]+)\))?: (?P<why>.+)"
)
CODE_POINT = re.compile(r"⟨([0-9A-F]{4,5})⟩")


@dataclass(frozen=True, slots=True)
class Case:
    """One statement; `code` is the guard's code where the corpus states it, else empty."""

    id: str
    sql: str
    readable: bool
    code: str
    why: str


def load(folder: Path = FOLDER) -> list[Case]:
    """Return the cases of every text file in the folder, in the order of the files' names.

    Raises:
        ValueError: A header is malformed, a case has no statement, or two cases have one id.
    """
    cases = [case for path in sorted(folder.glob("*.txt")) for case in _parse(path)]
    ids = [case.id for case in cases]
    if repeated := {name for name in ids if ids.count(name) > 1}:
        raise ValueError(f"ids used twice: {sorted(repeated)}")
    return cases


def _parse(path: Path) -> Iterator[Case]:
    header, body = None, list[str]()
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.startswith("@"):
            if header:
                yield from _cases(header, body)
            header, body = HEADER.fullmatch(line), []
            if header is None:
                raise ValueError(f"{path.name}:{number}: not a header: {line}")
        elif header or not (line == "" or line.startswith("#")):
            body.append(line)
    if header is None:
        raise ValueError(f"{path.name}: no case")
    yield from _cases(header, body)


def _cases(header: re.Match[str], body: list[str]) -> Iterator[Case]:
    name, readable, code, why = header["id"], header["verdict"] == "allow", header["code"] or "", header["why"]
    if not any(body):
        raise ValueError(f"{name}: no statement")
    if not header["each"]:
        yield Case(name, _decoded("\n".join(body).rstrip("\n")), readable, code, why)
        return
    for number, line in enumerate((line for line in body if line), 1):
        yield Case(f"{name}/{number}", _decoded(line), readable, code, why)


def _decoded(text: str) -> str:
    return CODE_POINT.sub(lambda found: chr(int(found[1], 16)), text)
