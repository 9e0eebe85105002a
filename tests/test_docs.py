"""The documents tell the truth: generated parts are fresh, links lead somewhere, snippets parse."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pgwarden import policy, settings
from pgwarden.cli import _parser
from pgwarden.policy.profiles import SQL_PROFILES
from pgwarden.tools import CATEGORIES

ROOT = Path(__file__).parents[1]
FOLDERS = ("docs", "docs/decisions", "benchmarks", "examples")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).glob("*.md"))])


def test_generated_parts_are_fresh() -> None:
    """README tables and .env.example are what the code says today."""
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate_docs.py", "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, f"run scripts/generate_docs.py: {run.stdout}{run.stderr}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link names a file that is there."""
    for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
        assert "://" in target or (path.parent / target).exists(), target


def test_every_page_is_reached_from_the_readme() -> None:
    """A reader finds every document by following links."""
    found, open_ = set[Path](), [ROOT / "README.md"]
    while open_:
        path = open_.pop()
        found.add(path)
        targets = re.findall(r"\]\(([^)#\s:]+\.md)", path.read_text(encoding="utf-8"))
        open_ += {(path.parent / target).resolve() for target in targets} - found
    assert set(DOCUMENTS) - found == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_shown_exist(path: Path) -> None:
    """Every `pgwarden` command that a document shows is one that the program understands."""
    for line in re.findall(r"^\$ (?:\w+=\S+ )*pgwarden (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE):
        words = shlex.split(re.split(r"\s[|>#]", line)[0])
        assert _parser().parse_args(words).run, line


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_json_snippets_parse(path: Path) -> None:
    """What a person copies is valid."""
    for snippet in re.findall(r"```json\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        json.loads(snippet)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_variables_that_are_named_exist(path: Path) -> None:
    """A document names no setting that there is not."""
    known = settings.known_variables()
    for name in re.findall(r"\bPGWARDEN_[A-Z_]+[A-Z]\b", path.read_text(encoding="utf-8")):
        assert name in known, name


def test_the_env_example_loads(tmp_path: Path) -> None:
    """Every line of .env.example, taken out of its comment, is accepted, but those that must not be empty."""
    text = re.sub(r"^#(PGWARDEN_)", r"\1", (ROOT / ".env.example").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert set(re.findall(r"^(PGWARDEN_\w+)=", text, flags=re.MULTILINE)) == set(settings.known_variables())
    file = tmp_path / "example.env"
    file.write_text(re.sub(r"^PGWARDEN_(TOKEN|GOVERNANCE|ROLE|CONNECTION)=$", "", text, flags=re.MULTILINE))
    assert settings.load(file) == settings.load()


GOVERNANCE = ROOT / "docs" / "governance.md"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_policy_snippets_load(path: Path) -> None:
    """Every policy file that a document shows is accepted."""
    tools = {spec.name: category.name for category in CATEGORIES for spec in category.tools}
    for snippet in re.findall(r"```yaml\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        policy.load(settings.PolicySettings(), settings.LimitSettings(), snippet, tools)


def test_governance_names_every_key() -> None:
    """The page's table has each key of the policy file once; that it is fresh is tested above."""
    from pgwarden.policy.document import Document

    keys = re.findall(r"^\| `([a-z_.\[\]]+)` \|", GOVERNANCE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    listed = keys[keys.index("profile") :]
    assert {key.split(".")[0].removesuffix("[]") for key in listed} == set(Document.model_fields)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("profile", sorted(SQL_PROFILES))
def test_governance_lists_what_each_profile_adds(profile: str) -> None:
    """The page's table of profiles is the code's."""
    order = list(SQL_PROFILES)
    before = SQL_PROFILES[order[order.index(profile) - 1]] if order.index(profile) else frozenset()
    said = re.search(rf"\| `{profile}` \| (?:and )?(.*?) \|", GOVERNANCE.read_text(encoding="utf-8"))
    assert said is not None
    assert set(said[1].split(", ")) == SQL_PROFILES[profile] - before
