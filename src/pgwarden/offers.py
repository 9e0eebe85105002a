"""What clients can have beside tools: resources, prompts, and completion of their arguments.

They pass the same gate as calls of tools: rate, token, policy, and a line in the audit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import anyio

from pgwarden.call import CallPath
from pgwarden.errors import ArgumentError, DatabaseError, NotFoundError, UnavailableError, did_you_mean
from pgwarden.prompts import PROMPTS, PromptSpec
from pgwarden.rendering import render_document
from pgwarden.resources import RESOURCES, ResourceSpec
from pgwarden.resources.completion import Found, Names, complete

_COMPLETION_S = 3.0
"""Seconds that a completion may take: a person is typing, and a database that is away must not hold them up."""
_LONGEST = 128
"""Characters of an unknown name or address that an error repeats."""
_VARIABLES: Mapping[str, Names] = {"schema": "schema", "table": "table"}
"""What the names in the addresses of resources stand for."""


class Offers:
    """The resources and prompts of one caller."""

    def __init__(self, path: CallPath) -> None:
        """Offer what the caller of `path` may have."""
        self._path = path

    def resources(self) -> list[ResourceSpec]:
        """The resources to list."""
        return [spec for spec in self._readable() if not spec.variables]

    def templates(self) -> list[ResourceSpec]:
        """The templates of resources to list."""
        return [spec for spec in self._readable() if spec.variables]

    def prompts(self) -> list[PromptSpec]:
        """The prompts to list: those whose essential tools the caller has."""
        around = self._path.surroundings()
        return [spec for spec in PROMPTS if spec.exists(around.policy, around.tools)]

    def changed_by(self, tool: str) -> list[str]:
        """The addresses of resources that a successful call of a tool changes."""
        return [spec.uri for spec in self._readable() if tool in spec.changed_by]

    async def read(self, uri: str) -> tuple[str, str]:
        """Return a resource's text and its MIME type.

        Args:
            uri: Its address.

        Raises:
            NotFoundError: There is none of this address for this caller.
            WardenError: It cannot be read.
        """
        async with self._path.admitted("resources/read", {"uri": uri}, ("uri",)):
            around = self._path.surroundings()
            for spec in self._readable():
                values = spec.match(uri)
                if values is not None:
                    report = await spec.read(around, values)
                    return render_document(report, "markdown", around.limits.max_result_bytes), spec.mime_type
            near = did_you_mean(uri[:_LONGEST], [spec.uri for spec in self._readable()])
            hint = f"Did you mean {near}?" if near else "resources/list and resources/templates/list show them."
            raise NotFoundError(f"There is no resource {uri[:_LONGEST]!r}.", hint=hint)

    async def prompt(self, name: str, arguments: Mapping[str, str]) -> tuple[str, str]:
        """Return a prompt's description and its text.

        Raises:
            NotFoundError: There is none of this name for this caller.
            ArgumentError: An argument is unknown, missing or too long.
        """
        async with self._path.admitted("prompts/get", {**arguments, "name": name}, ("name",)):
            spec = self._prompt(name)
            values = spec.validate(arguments)
            around = self._path.surroundings()
            shown = set(around.toolsets.shown)
            unlisted = {each.name: each.tools for each in around.toolsets.granted.values() if each.name not in shown}
            return spec.description, spec.text(values, around.tools, unlisted)

    async def complete(
        self, kind: Literal["resource", "prompt"], ref: str, argument: str, value: str, known: Mapping[str, str]
    ) -> Found:
        """Return names that an argument may be about to become; none where the database does not answer in time.

        Args:
            kind: What is being written.
            ref: The template's address, or the prompt's name.
            argument: Which of its arguments.
            value: What was written so far.
            known: Arguments that have their values already.

        Raises:
            NotFoundError: There is no such template or prompt for this caller.
            ArgumentError: It has no such argument.
        """
        # Braces would make the address of a template look like a secret to the audit.
        name = next((spec.name for spec in RESOURCES if spec.uri == ref), ref)
        given = {"ref": name, "argument": argument, "value": value}
        try:
            async with self._path.admitted("completion/complete", given, ("ref", "argument")):
                what = self._completes(kind, ref, argument)
                if what is None:
                    return Found()
                with anyio.move_on_after(_COMPLETION_S):
                    return await complete(self._path.surroundings(), what, value, known)
                raise UnavailableError(f"The database did not answer within {_COMPLETION_S:g} s.")
        except DatabaseError:
            return Found()

    def _readable(self) -> list[ResourceSpec]:
        """The resources and templates whose tools the caller has, and whose scope their token holds."""
        around = self._path.surroundings()
        return [
            spec
            for spec in RESOURCES
            if set(spec.tools) <= around.tools and (not spec.scope or around.scopes.has(spec.scope))
        ]

    def _prompt(self, name: str) -> PromptSpec:
        known = {spec.name: spec for spec in self.prompts()}
        if name not in known:
            near = did_you_mean(name[:_LONGEST], known)
            hint = f"Did you mean {near}?" if near else "prompts/list shows them."
            raise NotFoundError(f"There is no prompt {name[:_LONGEST]!r}.", hint=hint)
        return known[name]

    def _completes(self, kind: Literal["resource", "prompt"], ref: str, argument: str) -> Names | None:
        """Return which names an argument takes; None where it takes any text."""
        takes: dict[str, Names | None]
        if kind == "prompt":
            takes = {each.name: each.completes or None for each in self._prompt(ref).arguments}
        else:
            spec = next((spec for spec in self.templates() if spec.uri == ref), None)
            if spec is None:
                raise NotFoundError(
                    f"There is no resource template {ref[:_LONGEST]!r}.", hint="resources/templates/list shows them."
                )
            takes = {name: _VARIABLES.get(name) for name in spec.variables}
        if argument not in takes:
            near = did_you_mean(argument[:_LONGEST], takes)
            hint = f"Did you mean {near}?" if near else f"It takes: {', '.join(takes) or 'none'}."
            raise ArgumentError(f"{ref[:_LONGEST]} has no argument {argument[:_LONGEST]!r}.", hint=hint)
        return takes[argument]
