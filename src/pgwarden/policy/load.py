"""Makes the policy of the settings and the YAML text. Environment beats YAML beats defaults."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from pgwarden.errors import ConfigError, did_you_mean
from pgwarden.policy.model import Document, Policy
from pgwarden.policy.profiles import SQL_PROFILES, TOOL_PROFILES
from pgwarden.settings import LimitSettings, PolicySettings

_SIGNATURE = re.compile(r"[^\s\"'(),]+\([^\"'()]*\)")
_DEEPEST = 8
"""Levels of a governance file; an alias of a node inside of itself has no end."""


def load(
    settings: PolicySettings, limits: LimitSettings, text: str | None, tools: dict[str, str]
) -> tuple[Policy, LimitSettings]:
    """Return the policy and the limits in force.

    Args:
        settings: The environment's part of the policy.
        limits: The environment's limits.
        text: The YAML file's text; None where there is no file.
        tools: Every known tool's name, with its category's.

    Raises:
        ConfigError: A name or key is unknown, with the nearest valid one, or a value does not fit, with its line.
    """
    document, lines = _parse(text) if text is not None else (Document(version=1), {})
    check = _Names(lines)
    categories = set(tools.values())
    policy = Policy(
        sql_profile=_profile(check, settings, document, "sql_profile"),
        tool_profile=_profile(check, settings, document, "tool_profile"),
        categories_allowed=check.all("categories.allow", document.categories.allow, categories),
        categories_denied=check.all("categories.deny", document.categories.deny, categories),
        tools_allowed=check.all("tools.allow", document.tools.allow, tools),
        tools_denied=check.all("tools.deny", document.tools.deny, tools),
        functions_allowed=frozenset(map(check.signature, document.functions.allow)),
        toolsets=_toolsets(check, _pick(settings, document, "toolsets") or (), categories),
    )
    from_file = document.limits.model_dump(exclude_none=True)
    return policy, limits.model_copy(
        update={name: value for name, value in from_file.items() if name not in limits.model_fields_set}
    )


def _profile(check: _Names, settings: PolicySettings, document: Document, layer: str) -> str:
    """Return a layer's profile: its own key before `profile`, but anything in the environment before the file."""
    known = SQL_PROFILES if layer == "sql_profile" else TOOL_PROFILES
    for source in (settings, document):
        for key in (layer, "profile"):
            name = getattr(source, key) if key in source.model_fields_set else None
            if name is not None:
                check.one(key, name, TOOL_PROFILES if key == "profile" else known)
                # The operator has no free SQL; what the brokered tasks run only reads.
                return name if name in known else "read_only"
    return "read_only"


def _pick(settings: PolicySettings, document: Document, name: str) -> Any:
    return getattr(settings if name in settings.model_fields_set else document, name)


def _toolsets(check: _Names, names: Iterable[str], categories: set[str]) -> tuple[str, ...]:
    names = tuple(names)
    check.all("toolsets", names, categories | {"all"})
    return tuple(sorted(categories)) if "all" in names else names


class _Names:
    """Checks names against what exists; `lines` gives the line of a YAML key."""

    def __init__(self, lines: dict[str, int]) -> None:
        self._lines = lines

    def one(self, key: str, name: str, known: Iterable[str]) -> str:
        known = sorted(known)
        if name not in known:
            near = did_you_mean(name, known)
            raise ConfigError(
                f"{_where(self._lines, key)}{key}: {name!r} is not known.",
                hint=f"Did you mean {near}?" if near else f"One of: {', '.join(known)}.",
            )
        return name

    def signature(self, text: str) -> str:
        signature = " ".join(text.split())
        if not _SIGNATURE.fullmatch(signature):
            raise ConfigError(
                f"{_where(self._lines, 'functions.allow')}functions.allow: {signature[:128]!r} is no signature.",
                hint="Write name(type, type), with the schema where it has one, and without quotes.",
            )
        return signature

    def all(self, key: str, names: Iterable[str], known: Iterable[str]) -> frozenset[str]:
        known = list(known)
        return frozenset(self.one(key, name, known) for name in names)


def _where(lines: dict[str, int], key: str) -> str:
    return f"governance line {lines[key]}: " if key in lines else ""


def _parse(text: str) -> tuple[Document, dict[str, int]]:
    try:
        import yaml
    except ImportError:
        raise ConfigError(
            "The governance file needs PyYAML.", hint="Install the extra: pip install 'pgwarden[governance]'."
        ) from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[str, int] = {}
        if root is not None:
            _index(root, "", lines)
        data = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(exc, "problem", None) or "unreadable"
        raise ConfigError(f"governance{where}: not valid YAML: {problem}.") from None
    try:
        return Document.model_validate({} if data is None else data), lines
    except ValidationError as exc:
        raise _explain(exc, lines) from None


def _index(node: Any, path: str, lines: dict[str, int]) -> None:
    """Note the line of every key; YAML itself would let a second one silently win."""
    if node.id != "mapping":
        return
    if path.count(".") > _DEEPEST:
        raise ConfigError(f"governance line {node.start_mark.line + 1}: nested too deeply.")
    for key, value in node.value:
        name = f"{path}{key.value}"
        if name in lines:
            raise ConfigError(f"governance line {key.start_mark.line + 1}: {name} is given twice.")
        lines[name] = key.start_mark.line + 1
        _index(value, f"{name}.", lines)


def _explain(exc: ValidationError, lines: dict[str, int]) -> ConfigError:
    error = exc.errors(include_url=False, include_input=False)[0]
    parts = [str(part) for part in error["loc"]]
    key = ".".join(parts)
    at = next((lines[".".join(parts[:n])] for n in range(len(parts), 0, -1) if ".".join(parts[:n]) in lines), None)
    where = f"governance line {at}: " if at else "governance: "
    if error["type"] != "extra_forbidden":
        return ConfigError(f"{where}{key or 'document'}: {error['msg']}.")
    model: Any = Document
    for part in parts[:-1]:
        model = model.model_fields[part].annotation
    near = did_you_mean(parts[-1], model.model_fields)
    return ConfigError(
        f"{where}the key {key} is not known.",
        hint=f"Did you mean {near}?" if near else f"One of: {', '.join(model.model_fields)}.",
    )
