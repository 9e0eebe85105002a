"""Of the definitions in the corpus the guard says what the corpus states."""

from __future__ import annotations

import pglast
import pytest

from pgwarden.guard.parsed import Name, Refused

from .cases import Accepted, Refusal, accepted, refused
from .reading import define


def in_public(name: Name) -> Name:
    """Resolve a relation's name where public is all that is searched."""
    return name if name.schema else Name("public", name.name)


@pytest.mark.parametrize("case", accepted(), ids=lambda case: case.sql[:60])
def test_accepted(case: Accepted) -> None:
    """An accepted definition has the kinds, tier, class, lock, command and typed name that the corpus states."""
    found = define(case.sql)
    change = found.qualified(in_public)
    got = (change.tier, change.object_class, change.lock, change.command, change.in_transaction, change.typed_name)
    want = (case.tier, case.object_class, case.lock, case.command, case.in_transaction, case.typed_name)
    assert found.kinds == case.kinds
    assert got == want
    assert bool(change.why) is (case.tier == "typed")


@pytest.mark.parametrize("case", accepted(), ids=lambda case: case.sql[:60])
def test_accepted_is_sql(case: Accepted) -> None:
    """What the corpus calls a definition is one statement of PostgreSQL's grammar."""
    assert len(pglast.parse_sql(case.sql)) == 1


@pytest.mark.parametrize("case", refused(), ids=lambda case: case.sql[:60])
def test_refused(case: Refusal) -> None:
    """A refused one has the code that the corpus states, and says what is wrong."""
    with pytest.raises(Refused) as caught:
        define(case.sql)
    assert caught.value.code == case.code, caught.value.message
    assert caught.value.message
