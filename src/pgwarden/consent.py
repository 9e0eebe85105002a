"""Consent: how a yes to one call is asked for, checked and used up.

A call of the tier `confirm` needs a yes, one of the tier `typed` the exact name of what it destroys. Who gives it
follows from the mode. `argument`: the call's own arguments, nobody is asked. `human`: a person, through their client;
where the client cannot ask, the call is refused. `auto`: the person wherever they can be asked, whatever the arguments
say; else the arguments.

How a client asks is the business of an `Asker`, of which each era of the protocol has its own. One asks while the call
waits. The other cannot: it ends the call with `Asked`, the client repeats the call with the answer, and `Questions`
remembers in between which question was about which call, so that an answer counts once, for that call, and for a while.

Nothing but an exact yes is one: another type, another case, a space, silence and whatever is not understood refuse.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from pydantic_core import to_jsonable_python

from pgwarden.errors import ConsentError
from pgwarden.results import Plan

Mode = Literal["auto", "human", "argument"]
Action = Literal["accept", "decline", "cancel", "silence", "failed"]

_TIERS = ("confirm", "typed")
_FIELDS = {"confirm": "confirm", "typed": "confirm_name"}
"""The one field of a tier's form; the argument of the same name says the same."""
_ARGUMENT_CHARS = 4_000
"""Characters of an argument that a person is shown."""
_PLAN_CHARS = 8_000
_NAME_CHARS = 1_000
_UNSHOWN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories that are invisible, turn the direction of text or end a line."""
_OPEN_QUESTIONS = 256


@dataclass(frozen=True, slots=True)
class Requirement:
    """A call that needs a yes.

    Attributes:
        tool: The tool's name.
        arguments: Its validated arguments, without `confirm` and `confirm_name`; JSON or pydantic values.
        tier: "confirm" or "typed".
        name: What the call is about; for "typed" what has to be typed, and never empty.
        plan: Says what the call would do, without doing it. Called at most once, and only if somebody is asked or told.
        meaning: What the names in the arguments stand for now: a yes holds for that alone. Nobody is shown it.
        connection: The connection's name, where people are told it.
        place: Where the call would run: a name, and a number that no other database shares.
    """

    tool: str
    arguments: Mapping[str, Any]
    tier: str
    name: str
    plan: Callable[[], Awaitable[Plan]]
    meaning: str = ""
    connection: str = ""
    place: tuple[str, int] = ("", 0)

    def __post_init__(self) -> None:
        """Check that a yes can be told from a no.

        Raises:
            ValueError: The tier needs no consent, or nothing is named that could be typed.
        """
        if self.tier not in _TIERS:
            raise ValueError(f"the tier {self.tier!r} takes no consent")
        if self.tier == "typed" and not self.name:
            raise ValueError("nothing is named that could be typed")

    @property
    def field(self) -> str:
        """The form's field and the argument that hold the yes: "confirm" or "confirm_name"."""
        return _FIELDS[self.tier]

    @property
    def expected(self) -> bool | str:
        """The one value of it that is a yes."""
        return True if self.tier == "confirm" else self.name

    @property
    def binding(self) -> str:
        """A digest of what a yes is a yes to: tool, exact arguments, tier, name, meaning, and where it would run."""
        return self._digest(self.meaning, list(self.place))

    @property
    def words(self) -> str:
        """A digest of the call wherever it runs: what a caller says twice, for two connections."""
        return self._digest()

    def _digest(self, *more: Any) -> str:
        facts = [self.tool, dict(self.arguments), self.tier, self.name, *more]
        text = json.dumps(facts, sort_keys=True, default=to_jsonable_python)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Given:
    """What the arguments of the call say."""

    confirm: bool = False
    confirm_name: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How the yes was given: by the call's argument, or by a person in their client."""

    how: Literal["argument", "person"]


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked.

    Attributes:
        message: Plain text of several lines.
        schema: JSON schema of the form: an object with one field, which must be given.
        binding: The call that it is about, see `Requirement.binding`.
    """

    message: str
    schema: dict[str, Any]
    binding: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the person's action, or "silence" (no answer in time), or "failed" (the client could not ask)."""

    action: Action
    content: Mapping[str, Any] | None = None


class Asker(Protocol):
    """The way to the person behind the client, for one call."""

    @property
    def available(self) -> bool:
        """Whether the client can ask a person at all."""

    def answered(self, binding: str) -> Reply | None:
        """Return the answer that came with the call, and use it up; None where it came with none.

        Raises:
            ConsentError: The answer belongs to no open question about this call.
        """

    async def ask(self, question: Question) -> Reply:
        """Ask, and wait for the answer.

        Raises:
            Asked: It can only be waited for by ending this call.
        """


class Asked(Exception):  # noqa: N818 - it is not an error
    """A person has to be asked before the call is repeated; `state` has to come back with their answer."""

    def __init__(self, question: Question, state: str) -> None:
        """Carry a question to the client, with what identifies it."""
        super().__init__("the client has to ask first")
        self.question = question
        self.state = state


class Questions:
    """Open questions whose answers come with a later call: each is answered once, about the same call, and in time."""

    def __init__(
        self, timeout_s: float, capacity: int = _OPEN_QUESTIONS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Create an empty table.

        Args:
            timeout_s: Seconds until a question expires.
            capacity: Open questions at most; one more closes the oldest.
            clock: Seconds that never go back.
        """
        self.timeout_s = timeout_s
        self._capacity = capacity
        self._clock = clock
        self._open: dict[str, tuple[str, float]] = {}

    def put(self, binding: str) -> str:
        """Open a question about a call, and return what an answer has to bring."""
        now = self._clock()
        self._open = {state: entry for state, entry in self._open.items() if entry[1] > now}
        while len(self._open) >= self._capacity:
            del self._open[next(iter(self._open))]
        state = secrets.token_urlsafe(24)
        self._open[state] = (binding, now + self.timeout_s)
        return state

    def take(self, state: str, binding: str) -> None:
        """Close the question that an answer brings, whether it fits or not.

        Raises:
            ConsentError: It is not open, has expired, or is about another call.
        """
        bound, until = self._open.pop(state, ("", 0.0))
        if until <= self._clock():
            raise stale()
        if bound != binding:
            raise ConsentError(
                "This answer was given to a question about another call; nothing has been done.",
                code="confirmation_expired",
                hint="Repeat the call alone; the person will be asked about it.",
            )


class Shown:
    """Which plans were shown for which connection.

    An argument is a yes to the plan that was shown. Where that was another connection's, it is not a yes to this one.
    """

    def __init__(self, capacity: int = _OPEN_QUESTIONS) -> None:
        """Remember at most `capacity` calls, the newest."""
        self._capacity = capacity
        self._places: dict[str, set[tuple[str, int]]] = {}

    def add(self, requirement: Requirement) -> None:
        """Note that the plan of a call was shown."""
        places = self._places.pop(requirement.words, set())
        self._places[requirement.words] = places | {requirement.place}
        if len(self._places) > self._capacity:
            del self._places[next(iter(self._places))]

    def elsewhere(self, requirement: Requirement) -> bool:
        """Tell whether the plan of the same call was shown for another connection, and not for this one."""
        places = self._places.get(requirement.words) if self._places else None
        return places is not None and requirement.place not in places


def stale() -> ConsentError:
    """Return the refusal of an answer to no open question."""
    return ConsentError(
        "This answer belongs to no open question: it came too late, was used before or was never asked for; "
        "nothing has been done.",
        code="confirmation_expired",
        hint="Repeat the call alone; the person will be asked again.",
    )


async def obtain(
    mode: Mode, requirement: Requirement, given: Given, asker: Asker | None, shown: Shown | None = None
) -> Evidence:
    """Return the evidence of a yes to exactly this call.

    Args:
        mode: Who may give it.
        requirement: The call, and what it needs.
        given: What its arguments say.
        asker: The way to a person; None where there is none.
        shown: Plans that were shown before; None: none were.

    Raises:
        ConsentError: There is no yes. Codes: confirmation_required (the argument is missing), confirm_name_mismatch,
            confirmation_declined, confirmation_expired (no answer in time, or one to no open question), cannot_ask.
        Asked: see `Asker.ask`.
    """
    if mode not in get_args(Mode):
        raise ValueError(f"there is no mode {mode!r} of consent")
    if mode != "argument" and asker is not None and asker.available:
        return await _person(requirement, asker)
    if mode == "human":
        raise ConsentError(
            "A person has to allow this call, and this client cannot ask one; nothing has been done.",
            code="cannot_ask",
            hint="Tell the person. It takes a client that supports elicitation, or another PGWARDEN_CONSENT of the "
            "server's owner; no argument replaces it.",
            details={**_about(requirement), "plan": (await requirement.plan()).data},
        )
    return await _argument(requirement, given, shown or Shown())


async def _argument(requirement: Requirement, given: Given, shown: Shown) -> Evidence:
    """Take the arguments' word. A wrong name is never outweighed by a yes."""
    named = isinstance(given.confirm_name, str) and given.confirm_name == requirement.name
    wrong = given.confirm_name != "" and not named
    said = given.confirm is True if requirement.tier == "confirm" else named
    elsewhere = shown.elsewhere(requirement)
    if said and not wrong and not elsewhere:
        return Evidence("argument")
    shown.add(requirement)
    send = {requirement.field: requirement.expected}
    written = json.dumps(requirement.expected, ensure_ascii=False)
    message = "confirm_name is not the exact name; nothing has been done." if wrong else None
    if said and not wrong:
        message = "That plan was shown for another connection; this is the plan for this one. Nothing has been done."
    raise ConsentError(
        message,
        code="confirm_name_mismatch" if wrong else None,
        hint=f"Show the person this plan and ask them. Only once they have said yes"
        f"{' and named it' if requirement.tier == 'typed' else ''}, repeat the same call with "
        f"{requirement.field}={written}.",
        details={**_about(requirement), "plan": (await requirement.plan()).data, "send": send},
    )


def _about(requirement: Requirement) -> dict[str, Any]:
    where = {"connection": requirement.connection} if requirement.connection else {}
    return {"tier": requirement.tier, **where}


async def _person(requirement: Requirement, asker: Asker) -> Evidence:
    reply = asker.answered(requirement.binding)
    if reply is None:
        reply = await asker.ask(_question(requirement, await requirement.plan()))
    if reply.action != "accept":
        raise _refused(requirement, *_NO_YES[reply.action])
    # Nothing beside the one field: what was not asked for may mean anything.
    content = dict(reply.content or {})
    if content.keys() != {requirement.field}:
        raise _refused(requirement, *_NO_YES["failed"])
    value = content[requirement.field]
    if type(value) is not type(requirement.expected) or value != requirement.expected:
        typed = requirement.tier == "typed"
        raise _refused(requirement, *(_MISTYPED if typed else _NO_YES["decline"]))
    return Evidence("person")


_ASK_AGAIN = "Repeat the call only if they want it; they will be asked again."
_NO_YES: Mapping[Action, tuple[str, str, str]] = {
    "decline": ("confirmation_declined", "The person said no", "Do not repeat the call. Ask them what they want."),
    "cancel": ("confirmation_declined", "The person closed the question without a yes", _ASK_AGAIN),
    "silence": ("confirmation_expired", "Nobody answered in time", _ASK_AGAIN),
    "failed": ("cannot_ask", "The client gave no answer that can be read", "Tell the person that the client failed."),
}
_MISTYPED = ("confirm_name_mismatch", "What was typed is not the exact name", _ASK_AGAIN)


def _refused(requirement: Requirement, code: str, message: str, hint: str) -> ConsentError:
    details = _about(requirement)
    return ConsentError(f"{message}; nothing has been done.", code=code, hint=hint, details=details)


def _question(requirement: Requirement, plan: Plan) -> Question:
    typed = requirement.tier == "typed"
    field = (
        {"type": "string", "title": "Name", "description": "The name as it stands above."}
        if typed
        else {"type": "boolean", "title": "Allow it", "description": "Yes allows this one call.", "default": False}
    )
    name, properties = requirement.field, {requirement.field: field}
    return Question(
        "\n".join(_message(requirement, plan)),
        {"type": "object", "properties": properties, "required": [name]},
        requirement.binding,
    )


def _message(requirement: Requirement, plan: Plan) -> list[str]:
    """Return the lines of the question. Only those that start with "> " hold words that are not ours."""
    name = _visible(requirement.name[:_NAME_CHARS])
    about = f" on {name}" if name else ""
    if requirement.connection:
        about += f", on the connection {_visible(requirement.connection)}"
    call = [
        line
        for key, value in requirement.arguments.items()
        if value is not None and value is not False and value not in ("", [], {})
        for line in _quoted(f"{key}: {_written(value)}", _ARGUMENT_CHARS)
    ]
    allow = (
        ["To allow it once, type this name exactly:", f"> {name}"]
        if requirement.tier == "typed"
        else ["To allow it once, answer yes."]
    )
    return [
        f"pgwarden: the assistant wants to run {requirement.tool}{about}. Nothing has been done yet.",
        *(["The call:", *call] if call else []),
        "What it would do:",
        *_quoted(plan.text, _PLAN_CHARS),
        *allow,
        "Anything else leaves everything as it is.",
    ]


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=to_jsonable_python)


def _quoted(text: str, limit: int) -> list[str]:
    lines = [f"> {_visible(line)}" for line in text[:limit].expandtabs(4).split("\n")]
    left = len(text) - limit
    return [*lines, f"({left:,} more characters are not shown.)"] if left > 0 else lines


def _visible(text: str) -> str:
    """Return a text on one line, with an escape for each character that would not show or would move others."""
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) in _UNSHOWN else c for c in text)
