"""Reads the YAML text into a Document; errors name the line and the nearest valid name."""

from __future__ import annotations

from collections.abc import Iterable
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pgwarden.errors import ConfigError
from pgwarden.policy.document import Document
from pgwarden.policy.lines import Lines, near_hint, where

_DEEPEST = 8
"""Levels of a governance file; an alias of a node inside of itself has no end."""


def parse(text: str | None) -> tuple[Document, Lines]:
    """Return the document and where its parts stand; an empty one where there is no text.

    Raises:
        ConfigError: It is not YAML, or a key, name, type or value does not fit.
    """
    if text is None:
        return Document(version=1), {}
    data, lines = _read(text)
    try:
        return Document.model_validate({} if data is None else data), lines
    except ValidationError as exc:
        raise _explain(exc, lines) from None


def _read(text: str) -> tuple[Any, Lines]:
    try:
        import yaml
    except ImportError:
        raise ConfigError(
            "The governance file needs PyYAML.", hint="Install the extra: pip install 'pgwarden[governance]'."
        ) from None
    lines: Lines = {}
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        if root is None:
            return None, lines
        _index(root, "", lines)
        return loader.construct_document(root), lines
    except yaml.YAMLError as exc:
        mark = getattr(exc, "problem_mark", None)
        at = f" line {mark.line + 1}" if mark else ""
        problem = getattr(exc, "problem", None) or "unreadable"
        raise ConfigError(f"governance{at}: not valid YAML: {problem}.") from None


def _index(node: Any, path: str, lines: Lines) -> None:
    """Note the line of every key and item; YAML itself would let a second key of a name silently win."""
    if path.count(".") > _DEEPEST:
        raise ConfigError(f"governance line {node.start_mark.line + 1}: nested too deeply.")
    if node.id == "sequence":
        for number, item in enumerate(node.value):
            lines.setdefault(f"{path}{number}", item.start_mark.line + 1)
            _index(item, f"{path}{number}.", lines)
    if node.id != "mapping":
        return
    for key, value in node.value:
        name = f"{path}{key.value}"
        if name in lines:
            raise ConfigError(f"governance line {key.start_mark.line + 1}: {name} is given twice.")
        lines[name] = key.start_mark.line + 1
        if key.value == "mask" and value.id == "scalar" and value.value == "null":
            value.tag = "tag:yaml.org,2002:str"  # the mask of that name, not YAML's nothing
        _index(value, f"{name}.", lines)


def _explain(exc: ValidationError, lines: Lines) -> ConfigError:
    errors = exc.errors(include_url=False)
    # A misspelt key also shows as one that is missing: the first says what to do.
    error = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    key = ".".join(str(part) for part in error["loc"])
    start = where(lines, key) or "governance: "
    if error["type"] == "extra_forbidden":
        known = _annotation(error["loc"][:-1]).model_fields
        return ConfigError(f"{start}the key {key} is not known.", hint=near_hint(str(error["loc"][-1]), known))
    if error["type"] == "literal_error" and isinstance(error["input"], str):
        name = error["input"]
        hint = near_hint(name, get_args(_annotation(error["loc"])))
        return ConfigError(f"{start}{key}: {name[:64]!r} is not known.", hint=hint)
    message = error["msg"].removeprefix("Value error, ")
    return ConfigError(f"{start}{key or 'document'}: {message}.")


def _annotation(path: Iterable[str | int]) -> Any:
    """Return the type of what stands at a path of the document."""
    found: Any = Document
    for part in path:
        if isinstance(found, type) and issubclass(found, BaseModel):
            found = _plain(found.model_fields[str(part)].annotation)
        else:  # a list's item, or a mapping's value
            found = _plain(get_args(found)[1 if get_origin(found) is dict else 0])
    return found


def _plain(annotation: Any) -> Any:
    """Return a type without Annotated and `| None`."""
    while get_origin(annotation) in (Annotated, Union, UnionType):
        annotation = next(each for each in get_args(annotation) if each is not type(None))
    return annotation
