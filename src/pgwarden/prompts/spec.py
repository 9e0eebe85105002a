"""What a prompt declares, and how its text is made: of the steps whose tools the caller has."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pgwarden.errors import ArgumentError, did_you_mean
from pgwarden.policy import Policy, decide_type

MOST_CHARS = 20_000
"""Characters of an argument at most."""


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument of a prompt; every value is text.

    `completes` says which names of the catalog it takes, where it takes names.
    """

    name: str
    description: str
    required: bool = False
    completes: Literal["", "schema", "qualified_table", "column"] = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A step, left out where the caller lacks one of the tools that it names."""

    text: str
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """A prompt.

    Attributes:
        name: Its name.
        description: What clients show of it.
        task: The first line, from the arguments.
        steps: The steps, from the arguments; each argument is there, empty where it was not given.
        closing: What the answer has to be.
        tools: Tools without which it makes no sense: it exists where the caller has them all.
        statements: Statement types of which the policy has to grant at least one; empty: it does not matter.
        arguments: What it takes.
    """

    name: str
    description: str
    task: Callable[[Mapping[str, str]], str]
    steps: Callable[[Mapping[str, str]], Iterable[Step]]
    closing: str
    tools: tuple[str, ...]
    statements: tuple[str, ...] = ()
    arguments: tuple[Argument, ...] = ()

    def exists(self, policy: Policy, tools: Collection[str]) -> bool:
        """Tell whether it exists for a caller who has these tools under this policy."""
        allowed = not self.statements or any(decide_type(policy, kind).allowed for kind in self.statements)
        return allowed and set(self.tools) <= set(tools)

    def validate(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return all arguments, those that were not given empty.

        Raises:
            ArgumentError: One is unknown, missing or too long.
        """
        known = [argument.name for argument in self.arguments]
        for name in given:
            if name not in known:
                near = did_you_mean(name, known)
                hint = f"Did you mean {near}?" if near else f"It takes: {', '.join(known) or 'none'}."
                raise ArgumentError(f"The prompt {self.name} has no argument {name[:64]!r}.", hint=hint)
        for argument in self.arguments:
            value = given.get(argument.name, "")
            if argument.required and not value.strip():
                raise ArgumentError(f"The prompt {self.name} needs {argument.name}.", hint=argument.description)
            if len(value) > MOST_CHARS:
                raise ArgumentError(f"{argument.name} has more than {MOST_CHARS:,} characters.", hint="Shorten it.")
        return {name: given.get(name, "").strip() for name in known}

    def text(self, values: Mapping[str, str], tools: Collection[str], unlisted: Mapping[str, Collection[str]]) -> str:
        """Return the prompt.

        Args:
            values: As `validate` returns them.
            tools: The tools that the caller has.
            unlisted: Of these, by category, the ones that tools/list does not show yet.
        """
        steps = [step for step in self.steps(values) if set(step.tools) <= set(tools)]
        named = {tool for step in steps for tool in step.tools}
        hidden = [category for category, names in unlisted.items() if named & set(names)]
        lines = [
            f"Call enable_toolset with toolset={category}: its tools are not listed yet."
            for category in hidden
            if "enable_toolset" in tools
        ]
        lines += [step.text for step in steps]
        numbered = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
        return f"{self.task(values)}\n\n{numbered}\n\n{self.closing}"


def block(text: str, language: str = "") -> str:
    """Return a text in a code block that nothing in it can end."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def inline(text: str) -> str:
    """Return a name on one line, in quotes as JSON has them, so that it shows where it ends."""
    return '"' + " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"') + '"'
