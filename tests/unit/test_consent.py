"""Consent: who may give a yes, what counts as one, and what never does."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pgwarden.consent import Asked, Asker, Evidence, Given, Mode, Question, Questions, Reply, Requirement, obtain
from pgwarden.errors import ConsentError
from pgwarden.results import Plan

NAME = 'public."Ordérs"'
PLAN = Plan("DELETE on orders\n12 rows", {"rows": 12})
NO = "nobody"

T = TypeVar("T")


class Client(Asker):
    """A client that gives one answer, or asks by ending the call where it has none."""

    def __init__(self, reply: Reply | None = None, *, available: bool = True, brought: Reply | None = None) -> None:
        self.reply = reply
        self.can_ask = available
        self.brought = brought
        self.asked: list[Question] = []

    @property
    def available(self) -> bool:
        return self.can_ask

    def answered(self, binding: str) -> Reply | None:
        return self.brought

    async def ask(self, question: Question) -> Reply:
        self.asked.append(question)
        if self.reply is None:
            raise Asked(question, "state")
        return self.reply


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waits")


async def planned() -> Plan:
    """The plan of the call."""
    return PLAN


async def unplanned() -> Plan:
    """No plan is to be made."""
    raise AssertionError("a plan was made, and nobody needs it")


def needs(tier: str, *, name: str = NAME, arguments: dict[str, Any] | None = None) -> Requirement:
    """A call that needs a yes."""
    return Requirement("execute_sql", {"sql": "DELETE FROM o"} if arguments is None else arguments, tier, name, planned)


def outcome(mode: Mode, requirement: Requirement, said: Given, asker: Asker | None) -> str:
    """How the yes was given, or the code of the refusal."""
    try:
        return run(obtain(mode, requirement, said, asker)).how
    except ConsentError as exc:
        refusal = exc
    assert "nothing has been done" in refusal.message
    assert refusal.hint
    return refusal.error_code


SAID = {
    "nothing": Given(),
    "yes": Given(confirm=True),
    "name": Given(confirm_name=NAME),
    "both": Given(confirm=True, confirm_name=NAME),
    "wrong name": Given(confirm_name="orders"),
    "yes, wrong name": Given(confirm=True, confirm_name="orders"),
}
BY_ARGUMENT = {
    "confirm": {
        "nothing": "confirmation_required",
        "yes": "argument",
        "name": "confirmation_required",
        "both": "argument",
        "wrong name": "confirm_name_mismatch",
        "yes, wrong name": "confirm_name_mismatch",
    },
    "typed": {
        "nothing": "confirmation_required",
        "yes": "confirmation_required",
        "name": "argument",
        "both": "argument",
        "wrong name": "confirm_name_mismatch",
        "yes, wrong name": "confirm_name_mismatch",
    },
}
REPLIES: dict[str, dict[str, tuple[Reply, str]]] = {
    "confirm": {
        "yes": (Reply("accept", {"confirm": True}), "person"),
        "no": (Reply("accept", {"confirm": False}), "confirmation_declined"),
        "one": (Reply("accept", {"confirm": 1}), "confirmation_declined"),
        "the word": (Reply("accept", {"confirm": "true"}), "confirmation_declined"),
        "null": (Reply("accept", {"confirm": None}), "confirmation_declined"),
        "nothing": (Reply("accept"), "cannot_ask"),
        "another field": (Reply("accept", {"confirm_name": NAME}), "cannot_ask"),
        "one field too many": (Reply("accept", {"confirm": True, "confirm_name": NAME}), "cannot_ask"),
        "declined": (Reply("decline", {"confirm": True}), "confirmation_declined"),
        "cancelled": (Reply("cancel", {"confirm": True}), "confirmation_declined"),
        "silence": (Reply("silence", {"confirm": True}), "confirmation_expired"),
        "failed": (Reply("failed"), "cannot_ask"),
    },
    "typed": {
        "the name": (Reply("accept", {"confirm_name": NAME}), "person"),
        "another": (Reply("accept", {"confirm_name": "orders"}), "confirm_name_mismatch"),
        "empty": (Reply("accept", {"confirm_name": ""}), "confirm_name_mismatch"),
        "a yes": (Reply("accept", {"confirm_name": True}), "confirm_name_mismatch"),
        "a list": (Reply("accept", {"confirm_name": [NAME]}), "confirm_name_mismatch"),
        "a yes in its field": (Reply("accept", {"confirm": True}), "cannot_ask"),
        "nothing": (Reply("accept", {}), "cannot_ask"),
        "declined": (Reply("decline", {"confirm_name": NAME}), "confirmation_declined"),
        "cancelled": (Reply("cancel", {"confirm_name": NAME}), "confirmation_declined"),
        "silence": (Reply("silence"), "confirmation_expired"),
    },
}


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("tier", BY_ARGUMENT)
@pytest.mark.parametrize("client", [NO, "cannot", "can"])
@pytest.mark.parametrize("mode", ["argument", "auto"])
def test_the_argument(mode: Mode, client: str, tier: str, said: str) -> None:
    """It counts where nobody is asked, by the mode or because the client cannot; and never where the client can."""
    asker = {NO: None, "cannot": Client(available=False), "can": Client(Reply("decline"))}[client]
    by_argument = mode == "argument" or client != "can"
    expected = BY_ARGUMENT[tier][said] if by_argument else "confirmation_declined"
    assert outcome(mode, needs(tier), SAID[said], asker) == expected
    assert asker is None or len(asker.asked) == (0 if by_argument else 1)


@pytest.mark.parametrize("tier", BY_ARGUMENT)
@pytest.mark.parametrize("client", [NO, "cannot"])
def test_a_person_is_not_replaced(client: str, tier: str) -> None:
    """Where only a person counts and none can be asked, no argument helps."""
    asker = None if client == NO else Client(available=False)
    assert {outcome("human", needs(tier), said, asker) for said in SAID.values()} == {"cannot_ask"}


@pytest.mark.parametrize(("tier", "reply"), [(tier, reply) for tier, replies in REPLIES.items() for reply in replies])
@pytest.mark.parametrize("mode", ["human", "auto"])
@pytest.mark.parametrize("brought", [False, True], ids=["asked", "brought"])
def test_the_person(mode: Mode, tier: str, reply: str, brought: bool) -> None:
    """Whatever the argument says, only an accepted form with the exact yes counts; asked now or brought by the call."""
    replied, expected = REPLIES[tier][reply]
    for said in SAID.values():
        asker = Client(brought=replied) if brought else Client(replied)
        assert outcome(mode, needs(tier), said, asker) == expected


@pytest.mark.parametrize("value", [1, "true", "yes", [True], None, 1.0])
def test_only_true_is_a_yes(value: Any) -> None:
    """What is merely true in a condition is no yes."""
    assert outcome("argument", needs("confirm"), Given(confirm=value), None) == "confirmation_required"


def test_a_question_can_end_the_call() -> None:
    """Where the protocol wants that, the question goes out unanswered."""
    with pytest.raises(Asked) as asked:
        run(obtain("auto", needs("typed"), Given(), Client()))
    assert (asked.value.state, asked.value.question.binding) == ("state", needs("typed").binding)


# Near misses of a name.

LOOK_ALIKES = str.maketrans({"o": "о", "e": "е", "a": "а", "p": "р", "c": "с", "i": "і", "b": "Ь", ".": "․", '"': "”"})
INVISIBLE = ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u202e", "\u3164", "\x00", "\x7f", "\u0301"]
SPACES = [" ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000"]
QUOTES = ['"', "'", "`", "“", "”", "«", ";", ".", ",", "\\", "(", ")"]

identifiers = st.text(st.characters(categories=["L", "N"], include_characters='_ ."'), min_size=1, max_size=12)
names = st.one_of(
    st.sampled_from(["public.orders", NAME, "app.Straße", "ﬁ.ﬂ", "I.i", 'a."b c"', "x.K", "shop.Å"]),
    st.builds("{}.{}".format, identifiers, identifiers),
)


def near(name: str) -> set[str]:
    """Near misses of a name, as people, clients and attackers make them."""
    folds: list[Callable[[str], str]] = [
        str.lower,
        str.upper,
        str.title,
        str.swapcase,
        str.casefold,
        str.strip,
        str.capitalize,
    ]
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC", "NFKD")]
    added = [*INVISIBLE, *SPACES, *QUOTES, "*", "%", "s", name[-1]]
    around = [f"{extra}{name}" for extra in added] + [f"{name}{extra}" for extra in added]
    inside = [f"{name[:at]}{extra}{name[at:]}" for extra in INVISIBLE + SPACES for at in range(1, len(name))]
    parts = [name[:at] for at in range(len(name))] + [name[at:] for at in range(1, len(name) + 1)]
    quoted = [f"{q}{name}{q}" for q in QUOTES] + [name.replace('"', ""), name.replace(".", '"."')]
    others = [name.translate(LOOK_ALIKES), name[::-1], f"{name}, {name}", f"{name} CASCADE", "", "true", "yes", "*"]
    misses = {*(fold(name) for fold in folds), *forms, *around, *inside, *parts, *quoted, *others}
    return misses - {name}


@settings(max_examples=30)
@given(names)
@example("public.orders")
@example(NAME)
@example("public.caf\u00e9")
@example("public.cafe\u0301")
def test_no_near_miss_passes(name: str) -> None:
    """Case, spaces, quotes, parts, look-alikes, invisible characters, other forms: none is the name."""
    requirement, confirm = needs("typed", name=name), needs("confirm", name=name)
    for miss, yes in itertools.product(near(name), (False, True)):
        assert outcome("argument", requirement, Given(yes, miss), None) in (
            "confirmation_required" if miss == "" else "confirm_name_mismatch",
        )
        assert miss == "" or outcome("argument", confirm, Given(True, miss), None) == "confirm_name_mismatch"
        asker = Client(Reply("accept", {"confirm_name": miss}))
        assert outcome("auto", requirement, Given(yes, name), asker) == "confirm_name_mismatch"
    assert outcome("argument", requirement, Given(False, name), None) == "argument"
    assert outcome("human", requirement, Given(), Client(Reply("accept", {"confirm_name": name}))) == "person"


@given(st.text(max_size=40))
def test_no_other_text_passes(text: str) -> None:
    """Nothing but the name is the name."""
    if text != NAME:
        assert outcome("argument", needs("typed"), Given(True, text), None) != "argument"


def test_what_cannot_be_typed_is_no_requirement() -> None:
    """An empty name would be met by leaving the argument out; a tier that takes no consent is a defect."""
    with pytest.raises(ValueError, match="nothing is named"):
        needs("typed", name="")
    with pytest.raises(ValueError, match="takes no consent"):
        needs("read")
    with pytest.raises(ValueError, match="no mode"):
        run(obtain("ask", needs("confirm"), Given(True), None))  # type: ignore[arg-type]


# What a refusal says.


@pytest.mark.parametrize(
    ("tier", "send", "written"),
    [("confirm", {"confirm": True}, "confirm=true"), ("typed", {"confirm_name": NAME}, r'confirm_name="public.\"Or')],
)
def test_a_refusal_is_the_plan(tier: str, send: dict[str, Any], written: str) -> None:
    """It has what would happen, that a person has to be asked, and exactly what to send then."""
    with pytest.raises(ConsentError) as refusal:
        run(obtain("auto", needs(tier), Given(), None))
    assert refusal.value.details == {"tier": tier, "plan": {"rows": 12}, "send": send}
    assert refusal.value.hint is not None
    assert "ask them" in refusal.value.hint
    assert written in refusal.value.hint


def test_only_what_counts_is_offered() -> None:
    """Where a person has to answer, no refusal names an argument to send."""
    for mode, asker in (("human", None), ("auto", Client(Reply("cancel"))), ("human", Client(Reply("silence")))):
        with pytest.raises(ConsentError) as refusal:
            run(obtain(mode, needs("typed"), Given(), asker))  # type: ignore[arg-type]
        assert "send" not in refusal.value.details
        assert NAME not in str(refusal.value.as_dict())


def test_a_plan_is_made_only_for_somebody() -> None:
    """It costs statements, so that a yes that is there already goes without."""
    requirement = Requirement("t", {}, "confirm", "", unplanned)
    assert run(obtain("argument", requirement, Given(True), None)) == Evidence("argument")
    brought = Client(brought=Reply("accept", {"confirm": True}))
    assert run(obtain("human", requirement, Given(), brought)) == Evidence("person")


# What a person reads.


def asked_about(requirement: Requirement) -> Question:
    """The question that a person is asked."""
    client = Client(Reply("decline"))
    assert outcome("auto", requirement, Given(), client) == "confirmation_declined"
    return client.asked[0]


def test_the_question_says_what_runs() -> None:
    """The tool, its target, every argument that is set, the plan and what to do."""
    arguments = {"sql": "DELETE\nFROM o", "params": [1, "é"], "dry_run": False, "timeout_s": None}
    question = asked_about(needs("typed", arguments=arguments))
    assert question.message.split("\n") == [
        f"pgwarden: the assistant wants to run execute_sql on {NAME}. Nothing has been done yet.",
        "The call:",
        "> sql: DELETE",
        "> FROM o",
        '> params: [1, "é"]',
        "What it would do:",
        "> DELETE on orders",
        "> 12 rows",
        "To allow it once, type this name exactly:",
        f"> {NAME}",
        "Anything else leaves everything as it is.",
    ]
    assert question.schema["required"] == ["confirm_name"]
    assert NAME not in str(question.schema), "to be typed, not picked"
    assert asked_about(needs("confirm")).schema["properties"]["confirm"]["type"] == "boolean"


@given(st.text(max_size=300), st.text(min_size=1, max_size=60))
@example("x\nTo allow it once, answer yes.", "a.b\n\u202eb")
@example("x\r\u2028\x85\x1b[2Jpgwarden: harmless", "a\x0b.b")
def test_foreign_text_cannot_pose_as_ours(text: str, name: str) -> None:
    """Whatever the database or the assistant wrote stands in marked lines, and shows all its characters."""

    async def plan() -> Plan:
        return Plan(text)

    message = asked_about(Requirement("t", {"sql": text}, "typed", name, plan)).message
    lines = message.splitlines()
    assert lines == message.split("\n")
    ours = [line for line in lines if not line.startswith("> ")]
    assert len(ours) == (5 if text else 4)
    assert not any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for line in lines for char in line)


def test_long_text_is_cut_and_says_so() -> None:
    """A form is read, not scrolled; what is not shown is owned up to."""
    message = asked_about(needs("confirm", arguments={"sql": "x" * 10_000})).message
    assert "(6,005 more characters are not shown.)" in message.split("\n")
    assert len(message) < 5_000


# Questions that are answered by a later call.


def test_a_question_is_answered_once() -> None:
    """The second answer finds nothing open."""
    questions = Questions(300)
    state = questions.put("call")
    questions.take(state, "call")
    with pytest.raises(ConsentError, match="used before") as refusal:
        questions.take(state, "call")
    assert refusal.value.error_code == "confirmation_expired"


def test_an_answer_is_bound_to_its_call() -> None:
    """Brought with another call it is refused, and used up."""
    questions = Questions(300)
    state = questions.put("call")
    with pytest.raises(ConsentError, match="another call"):
        questions.take(state, "other call")
    with pytest.raises(ConsentError, match="no open question"):
        questions.take(state, "call")


def test_a_question_expires() -> None:
    """The person's time ends; a moment earlier the answer counts."""
    now = 0.0
    questions = Questions(300, clock=lambda: now)
    early, late = questions.put("call"), questions.put("call")
    now = 299.9
    questions.take(early, "call")
    now = 300.0
    with pytest.raises(ConsentError, match="too late"):
        questions.take(late, "call")


@pytest.mark.parametrize("state", ["", "state", "A" * 32])
def test_a_foreign_state_is_refused(state: str) -> None:
    """What was never handed out opens nothing, not even an empty binding."""
    with pytest.raises(ConsentError, match="never asked"):
        Questions(300).take(state, "")


def test_open_questions_are_bounded() -> None:
    """One too many closes the oldest; expired ones go first."""
    now = 0.0
    questions = Questions(10, capacity=2, clock=lambda: now)
    states = [questions.put("call") for _ in range(3)]
    with pytest.raises(ConsentError):
        questions.take(states[0], "call")
    questions.take(states[2], "call")
    now = 5.0
    newer = questions.put("call")
    now = 11.0
    newest = questions.put("call")
    questions.take(newer, "call")
    questions.take(newest, "call")


BINDING = needs("typed").binding


@pytest.mark.parametrize(
    "other",
    [
        Requirement("execute", {"sql": "DELETE FROM o"}, "typed", NAME, planned),
        needs("confirm"),
        needs("typed", name="public.orders"),
        needs("typed", arguments={"sql": "DELETE FROM o "}),
        needs("typed", arguments={"sql": "DELETE FROM o", "params": []}),
        needs("typed", arguments={"SQL": "DELETE FROM o"}),
        needs("typed", arguments={}),
    ],
)
def test_a_yes_is_bound_to_everything(other: Requirement) -> None:
    """To the tool, the tier, the name, and every argument to the letter."""
    assert other.binding != BINDING


def test_a_binding_tells_values_apart_and_orders_alike() -> None:
    """1, "1", true and 1.0 are different arguments; the order of their names is nothing."""
    values: list[Any] = [1, "1", True, 1.0, None, [1], ["1"], "\udc80"]
    assert len({needs("confirm", arguments={"params": value}).binding for value in values}) == len(values)
    assert needs("typed", arguments={"a": 1, "b": 2}).binding == needs("typed", arguments={"b": 2, "a": 1}).binding
