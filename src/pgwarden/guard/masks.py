"""Masks and hidden objects applied to a judged statement.

A masked value is shown in one of two ways. As a rule the statement is changed so that it reads masked values
(`masking.substitute`), and then whatever it does with them gives nothing away. Only where a rule permits a use that
needs real values, and for the rows that a statement changes, it sees those: it must be of a strict form then
(`masking.plain`, `masking.targets`), and its output is masked by the origin of its columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pgwarden.guard import canonical
from pgwarden.guard.masking import definitions, plain, refusals, substitute, system, targets
from pgwarden.guard.masking.expressions import show
from pgwarden.guard.masking.layout import Layout
from pgwarden.guard.masking.references import Reference, find
from pgwarden.guard.masking.uses import Hit, Uses
from pgwarden.guard.shields import Masking, Shields

if TYPE_CHECKING:
    from pgwarden.guard.catalog import Catalog
    from pgwarden.guard.parsed import Source
    from pgwarden.guard.verdict import Verdict

__all__ = ["protect", "show"]


def protect(verdict: Verdict, source: Source | None, shields: Shields, catalog: Catalog | None) -> Verdict:
    """Return a verdict whose text shows masked values only.

    Args:
        verdict: An accepted statement's.
        source: Its tokens; None for what has no query in it.
        shields: The masks in force, and whether anything is hidden.
        catalog: The database; without it statements that name relations are refused where there are masks.

    Raises:
        Refused: `mask_violation`, where it uses masked columns other than permitted; `relation_not_allowed` and
            `function_not_allowed`, where it reads what would be a way around.
    """
    if source is not None:
        system.check(source, shields, catalog)
    change = verdict.change
    if change is not None and change.object_class not in ("rows", "session"):
        definitions.check(verdict, change, shields, catalog)
    if not shields.relations:
        return verdict
    if source is None:
        return replace(verdict, masking=Masking(scrub=True)) if change is not None else verdict
    return _Statement(verdict, source, shields, find(source, shields, catalog)).protect()


class _Statement:
    """One statement with its shielded relations."""

    def __init__(self, verdict: Verdict, source: Source, shields: Shields, references: Mapping[int, Reference]) -> None:
        self._verdict = verdict
        self._source = source
        self._shields = shields
        self._references = references
        self._read = [r for at, r in references.items() if r.shield is not None and at not in source.targets]

    def protect(self) -> Verdict:
        verdict, touched = self._verdict, any(each.shield for each in self._references.values())
        if not touched:
            # A change can reach a shielded relation through foreign keys, whose errors would quote its rows.
            return replace(verdict, masking=Masking(scrub=True)) if verdict.change else verdict
        layout = Layout(self._source.stream)
        if targets.stores_masked(self._source, layout, self._references):
            raise refusals.changed("The statement would store masked values in place of real ones.")
        outputs = targets.check(self._source, layout, self._references)
        hits = [hit for hit in Uses(self._source, layout, self._references).find() if hit.use]
        if hits:
            _check_permitted(hits)
            if verdict.change is not None:
                # CREATE TABLE ... AS has a plain query, and no output to mask: it would store what it reads.
                raise refusals.plain("the statement stores its rows")
            outputs |= plain.check(self._source, layout, self._references)
            return replace(verdict, masking=self._masking((), outputs))
        if not self._read:
            return replace(verdict, masking=self._masking((), outputs))
        return self._substituted(outputs)

    def _substituted(self, outputs: plain.Outputs) -> Verdict:
        verdict = self._verdict
        substitute.check(self._source.stream, self._read)
        plannable = self._text(None)
        key = verdict.parameters + 1 if substitute.hashes(self._read) and verdict.form != "explain" else None
        # A count of matching rows would read real values where the statement reads masked ones.
        change = replace(verdict.change, matching="") if verdict.change else None
        return replace(
            verdict,
            canonical=plannable if key is None else self._text(key),
            plannable=plannable,
            change=change,
            masking=self._masking(() if key is None else (self._shields.key.hex(),), outputs),
        )

    def _text(self, key: int | None) -> str:
        source = self._source
        changed = substitute.tokens(source.stream, self._read, key)
        return canonical.render([*source.prefix, *changed, *source.suffix])

    def _masking(self, parameters: tuple[str, ...], outputs: plain.Outputs) -> Masking:
        return Masking(parameters, outputs, scrub=True, key=self._shields.key)


def _check_permitted(hits: Iterable[Hit]) -> None:
    for hit in hits:
        if hit.use not in hit.permit:
            raise refusals.use(hit.name, hit.use)
