"""A person is asked, or not, as clients of both protocol eras meet it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client import ClientRequestContext
from mcp.client.stdio import stdio_client
from mcp_types import (
    INVALID_PARAMS,
    CallToolResult,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    InputRequiredResult,
    TextResourceContents,
)

from consent_server import DONE, PROGRAM, compose
from fix_server import READ_TIMEOUT_S, Era, connected
from pgwarden.server import INSTRUCTIONS
from raw_server import Message, RawServer, error_of, launched, text_of

pytestmark = pytest.mark.anyio

Opener = Callable[..., AbstractAsyncContextManager[Client]]
Call = tuple[str, dict[str, Any]]

PAINT: Call = ("paint", {"thing": "wall"})
SMASH: Call = ("smash", {"thing": "public.vase"})
YES: dict[str, dict[str, Any]] = {"paint": {"confirm": True}, "smash": {"confirm_name": "public.vase"}}
DID = {"paint": "painted wall red", "smash": "smashed public.vase"}


class Answers:
    """A person who gives one answer to every question, and what they were asked."""

    def __init__(self, action: str, content: Any = None) -> None:
        self.result = ElicitResult.model_construct(action=action, content=content)  # type: ignore[arg-type]
        self.asked: list[ElicitRequestParams] = []

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult | ErrorData:
        self.asked.append(params)
        return self.result


@pytest.fixture
def opened(
    era: Era,
    server_environment: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    plain_role_url: str,
) -> Opener:
    """A function that composes the server of `consent_server` and opens a client to it; keywords are variables."""

    @asynccontextmanager
    async def opened(person: Any = None, timeout: float = 20, **variables: str) -> AsyncIterator[Client]:
        DONE.clear()
        for name, value in server_environment(plain_role_url, **variables).items():
            monkeypatch.setenv(name, value)
        server, source = compose(timeout)
        async with connected(server, source, era, person) as client:
            yield client

    return opened


@pytest.fixture
def audit(tmp_path: Path) -> Callable[[], list[Message]]:
    """A function that returns the audit's lines."""
    return lambda: [json.loads(line) for line in (tmp_path / "home" / "audit.jsonl").read_text().splitlines()]


def text(result: CallToolResult) -> str:
    """The result's text."""
    return "\n".join(block.text for block in result.content if block.type == "text")


def error(result: CallToolResult) -> dict[str, Any]:
    """The error of a failed call."""
    assert result.is_error, text(result)
    carried: dict[str, Any] = json.loads(text(result))["error"]
    return carried


async def outcome(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    """What a call did, or the code of its refusal."""
    result = await client.call_tool(tool, arguments)
    return error(result)["code"] if result.is_error else text(result)


@pytest.mark.parametrize("mode", ["auto", "human"])
@pytest.mark.parametrize(("tool", "arguments"), [PAINT, SMASH])
async def test_a_person_says_yes(
    tool: str, arguments: dict[str, Any], mode: str, opened: Opener, audit: Callable[[], list[Message]]
) -> None:
    """The form shows the call, its plan and what to do; the yes lets this one call through, and is on record."""
    person = Answers("accept", YES[tool])
    async with opened(person, PGWARDEN_CONSENT=mode) as client:
        assert await outcome(client, tool, arguments) == DID[tool]
        assert await outcome(client, "done", {}) == DID[tool]
    [question] = person.asked
    assert tool in question.message
    assert f"> {arguments['thing']} will not be what it was" in question.message.split("\n")
    assert question.mode == "form"
    assert question.requested_schema["required"] == list(YES[tool])
    lines = [line for line in audit() if line["tool"] == tool]
    assert [line["outcome"] for line in lines][-1] == "allowed"
    assert lines[-1]["consent"] == "person"


DECLINED, MISTYPED, UNREAD = "confirmation_declined", "confirm_name_mismatch", "cannot_ask"
EVERYTHING = {"confirm": True, "confirm_name": "public.vase"}
NO = {
    "decline": (Answers("decline"), DECLINED, DECLINED),
    "decline with a yes": (Answers("decline", EVERYTHING), DECLINED, DECLINED),
    "cancel": (Answers("cancel"), DECLINED, DECLINED),
    "no content": (Answers("accept"), UNREAD, UNREAD),
    "empty": (Answers("accept", {}), UNREAD, UNREAD),
    "both fields": (Answers("accept", EVERYTHING), UNREAD, UNREAD),
    "false": (Answers("accept", {"confirm": False}), DECLINED, UNREAD),
    "a word": (Answers("accept", {"confirm": "yes"}), DECLINED, UNREAD),
    "one": (Answers("accept", {"confirm": 1}), DECLINED, UNREAD),
    "another case": (Answers("accept", {"confirm_name": "public.Vase"}), UNREAD, MISTYPED),
    "a space": (Answers("accept", {"confirm_name": "public.vase "}), UNREAD, MISTYPED),
}


@pytest.mark.parametrize("answer", NO)
async def test_whatever_else_a_person_says_is_no(
    answer: str, opened: Opener, audit: Callable[[], list[Message]]
) -> None:
    """Nothing is done, whatever the arguments claim."""
    person, painting, smashing = NO[answer]
    async with opened(person) as client:
        for claim in (False, True):
            for (tool, arguments), code in ((PAINT, painting), (SMASH, smashing)):
                assert await outcome(client, tool, arguments | (YES[tool] if claim else {})) == code
        assert await outcome(client, "done", {}) == "nothing"
    lines = [line for line in audit() if line["outcome"] != "asked"]
    assert [line["outcome"] for line in lines] == [*["denied"] * 4, "allowed"]
    assert not any("consent" in line for line in lines)


async def test_a_client_that_fails_to_ask(opened: Opener, era: Era) -> None:
    """An error in place of an answer is no yes."""

    async def fails(context: ClientRequestContext, params: ElicitRequestParams) -> ErrorData:
        return ErrorData(code=-32603, message="no window")

    async with opened(fails) as client:
        if era == "legacy":
            assert await outcome(client, *PAINT) == "cannot_ask"
        else:  # The client itself gives up, and never repeats the call.
            with pytest.raises(MCPError):
                await client.call_tool(*PAINT)
        assert await outcome(client, "done", {}) == "nothing"


async def test_nobody_answers(opened: Opener, era: Era, audit: Callable[[], list[Message]]) -> None:
    """The time to answer is bounded; where the call waits for the answer, it ends with a refusal."""

    async def sleeps(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        await asyncio.sleep(READ_TIMEOUT_S)
        return ElicitResult(action="accept", content={"confirm": True})

    async with opened(sleeps, timeout=0.2) as client:
        if era == "legacy":
            assert await outcome(client, *PAINT) == "confirmation_expired"
        else:  # The call has ended with the question, so that only the client still waits.
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.call_tool(*PAINT), 0.5)
        assert await outcome(client, "done", {}) == "nothing"
    assert audit()[0]["outcome"] == ("denied" if era == "legacy" else "asked")


async def test_a_client_that_cannot_ask(opened: Opener) -> None:
    """The first call is refused with the plan and with what to send; sent exactly, it runs, and near to it does not."""
    async with opened() as client:
        for tool, arguments in (PAINT, SMASH):
            refusal = error(await client.call_tool(tool, arguments))
            assert refusal["code"] == "confirmation_required"
            assert refusal["details"]["plan"] == {"thing": arguments["thing"]}
            assert refusal["details"]["send"] == YES[tool]
            assert "ask" in refusal["hint"]
        for near in ({"confirm_name": "public.Vase"}, {"confirm_name": " public.vase"}, {"confirm_name": "vase"}):
            assert await outcome(client, "smash", SMASH[1] | near) == "confirm_name_mismatch"
        assert await outcome(client, "paint", PAINT[1] | {"confirm": "true"}) == "invalid_arguments"
        assert await outcome(client, "done", {}) == "nothing"
        for tool, arguments in (PAINT, SMASH):
            assert await outcome(client, tool, arguments | YES[tool]) == DID[tool]


async def test_only_a_person_counts(opened: Opener) -> None:
    """With consent = human, a client that cannot ask gets nothing done."""
    async with opened(PGWARDEN_CONSENT="human") as client:
        for tool, arguments in (PAINT, SMASH):
            refusal = error(await client.call_tool(tool, arguments | YES[tool]))
            assert refusal["code"] == "cannot_ask"
            assert "send" not in refusal["details"]
        assert await outcome(client, "done", {}) == "nothing"


async def test_nobody_is_asked(opened: Opener, audit: Callable[[], list[Message]]) -> None:
    """With consent = argument, the argument alone counts, also where the client could ask."""
    person = Answers("accept", {"confirm": True})
    async with opened(person, PGWARDEN_CONSENT="argument") as client:
        assert await outcome(client, *PAINT) == "confirmation_required"
        assert await outcome(client, "paint", PAINT[1] | YES["paint"]) == DID["paint"]
    assert person.asked == []
    assert audit()[-1]["consent"] == "argument"


async def test_questions_do_not_mix(opened: Opener) -> None:
    """Two calls at once ask two questions; each answer counts for its own call, whichever comes first."""
    released = asyncio.Event()

    async def person(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        if "vase" in params.message:
            await released.wait()
            return ElicitResult(action="accept", content=YES["smash"])
        released.set()
        return ElicitResult(action="decline")

    async with opened(person) as client:
        smashed, painted = await asyncio.gather(outcome(client, *SMASH), outcome(client, *PAINT))
        assert (smashed, painted) == (DID["smash"], "confirmation_declined")
        assert await outcome(client, "done", {}) == DID["smash"]


# The era in which the call ends with the question: what a client may bring back.

newer = pytest.mark.parametrize("era", ["auto"], indirect=True)


async def question(client: Client, tool: str, arguments: dict[str, Any]) -> tuple[str, str]:
    """Call a tool; return the question's key and its state."""
    result = await client.session.call_tool(tool, arguments, allow_input_required=True)
    assert isinstance(result, InputRequiredResult)
    assert result.input_requests
    assert result.request_state
    [key] = result.input_requests
    return key, result.request_state


async def answered(client: Client, tool: str, arguments: dict[str, Any], key: str | None, state: str | None) -> str:
    """Repeat a call with a yes; return what it did, or the code of its refusal."""
    yes = ElicitResult(action="accept", content=YES[tool])
    result = await client.session.call_tool(
        tool, arguments, input_responses={key: yes} if key else None, request_state=state, allow_input_required=True
    )
    assert isinstance(result, CallToolResult)
    return error(result)["code"] if result.is_error else text(result)


async def nobody(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
    """Be able to ask, and never be used: the tests answer by themselves."""
    raise AssertionError("the client asked")


@newer
async def test_a_yes_is_used_once(opened: Opener, audit: Callable[[], list[Message]]) -> None:
    """Replayed, alone or twice at once, it does nothing more."""
    async with opened(nobody) as client:
        asked = await question(client, *PAINT)
        assert await answered(client, *PAINT, *asked) == DID["paint"]
        assert await answered(client, *PAINT, *asked) == "confirmation_expired"
        asked = await question(client, *PAINT)
        both = await asyncio.gather(*(answered(client, *PAINT, *asked) for _ in range(2)))
        assert sorted(both) == ["confirmation_expired", DID["paint"]]
        assert len(DONE) == 2
    assert [line["outcome"] for line in audit() if line["outcome"] in ("asked", "denied")] == ["asked", "denied"] * 2


@newer
async def test_a_yes_is_bound_to_its_call(opened: Opener) -> None:
    """Brought with other arguments, to another tool, altered, or made up, it is not even heard."""
    async with opened(nobody) as client:
        key, state = await question(client, *PAINT)
        for tool, arguments, brought in (
            ("paint", {"thing": "hall"}, state),
            ("paint", {"thing": "wall", "colour": "red"}, state),
            ("paint", {"thing": "wall", "confirm": True}, state),
            ("smash", {"thing": "wall"}, state),
            ("paint", {"thing": "wall"}, f"{state[:-1]}{'A' if state[-1] != 'A' else 'B'}"),
            ("paint", {"thing": "wall"}, "v1.AAAA"),
            ("paint", {"thing": "wall"}, ""),
        ):
            with pytest.raises(MCPError, match="Invalid or expired requestState"):
                await answered(client, tool, arguments, key, brought)
        assert DONE == []
        assert await answered(client, *PAINT, key, state) == DID["paint"]


@newer
async def test_an_answer_without_its_question(opened: Opener) -> None:
    """Without the state, or a state without an answer, there is no yes; and the latter uses the question up."""
    async with opened(nobody) as client:
        key, state = await question(client, *PAINT)
        assert await answered(client, *PAINT, key, None) == "confirmation_expired"
        assert await answered(client, *PAINT, "other", state) == "cannot_ask"
        assert await answered(client, *PAINT, key, state) == "confirmation_expired"
        key, state = await question(client, *PAINT)
        assert await answered(client, *PAINT, None, state) == "confirmation_expired"
        assert await answered(client, *PAINT, key, state) == "confirmation_expired"
        assert DONE == []


@newer
async def test_a_yes_comes_in_time_or_not_at_all(opened: Opener) -> None:
    """An answer to an expired question is refused in words that the model reads."""
    async with opened(nobody, timeout=0.1) as client:
        asked = await question(client, *SMASH)
        await asyncio.sleep(0.15)
        assert await answered(client, *SMASH, *asked) == "confirmation_expired"
        assert DONE == []


@newer
async def test_a_state_of_another_server(opened: Opener) -> None:
    """What another process, or the one before a restart, has asked counts nothing here."""
    async with opened(nobody) as client:
        key, state = await question(client, *PAINT)
    async with opened(nobody) as client:
        with pytest.raises(MCPError, match="Invalid or expired requestState"):
            await answered(client, *PAINT, key, state)
        assert DONE == []


# The real pipes.


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        (Answers("accept", YES["smash"]), DID["smash"]),
        (Answers("cancel"), "confirmation_declined"),
        (None, "confirmation_required"),
    ],
    ids=["yes", "cancel", "cannot ask"],
)
async def test_over_stdio(
    person: Answers | None,
    expected: str,
    era: Era,
    server_environment: Callable[..., dict[str, str]],
    server_log: Path,
    plain_role_url: str,
) -> None:
    """The same through a process and its pipes."""
    command, *arguments = PROGRAM
    launch = StdioServerParameters(command=command, args=arguments, env=server_environment(plain_role_url))
    with server_log.open("a", encoding="utf-8") as log:
        async with Client(
            stdio_client(launch, errlog=log),
            mode=era,
            read_timeout_seconds=READ_TIMEOUT_S,
            elicitation_callback=person,
        ) as client:
            assert await outcome(client, *SMASH) == expected
            assert await outcome(client, "done", {}) == (expected if expected == DID["smash"] else "nothing")


async def shake_hands(server: RawServer, elicitation: Message) -> None:
    """Begin as a client of the older protocol that declares elicitation in this way."""
    client = {"name": "raw", "version": "1"}
    capabilities = {"elicitation": elicitation}
    await server.request(
        "initialize", {"protocolVersion": "2025-06-18", "capabilities": capabilities, "clientInfo": client}
    )
    await server.notify("notifications/initialized")


async def the_question(server: RawServer) -> Message:
    """Wait for the question."""
    async with asyncio.timeout(10):
        while True:
            for line in server.lines:
                message: Message = json.loads(line)
                if message.get("method") == "elicitation/create":
                    return message
            await asyncio.sleep(0.02)


async def test_which_clients_can_ask(
    server_environment: Callable[..., dict[str, str]], server_log: Path, plain_role_url: str
) -> None:
    """A bare `{}` means forms, as before the modes were named; `url` alone does not."""
    environment = server_environment(plain_role_url)
    async with launched(environment, server_log, PROGRAM) as server:
        await shake_hands(server, {"url": {}})
        assert error_of(await server.call(*PAINT))["code"] == "confirmation_required"
    async with launched(environment, server_log, PROGRAM) as server:
        await shake_hands(server, {})
        call = await server.begin_call(*PAINT)
        asked = await the_question(server)
        answer = {"action": "accept", "content": {"confirm": True}}
        await server.send_line(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": answer}))
        assert text_of(await server.result(call)) == DID["paint"]


async def test_the_client_leaves(
    server_environment: Callable[..., dict[str, str]],
    server_log: Path,
    plain_role_url: str,
    audit: Callable[[], list[Message]],
) -> None:
    """Gone while it was asked, it has not said yes; the call is on record as cancelled."""
    async with launched(server_environment(plain_role_url), server_log, PROGRAM) as server:
        await shake_hands(server, {})
        await server.begin_call(*PAINT)
        await the_question(server)
        server.end("EOF")
        await server.exit_status()
    [line] = audit()
    assert line["outcome"] in ("cancelled", "denied")
    assert "consent" not in line


# What clients are told.


async def test_what_tools_say_of_themselves(opened: Opener) -> None:
    """Whether a tool reads, changes or destroys shows in its annotations; the yes shows as its last argument."""
    async with opened() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert client.instructions == INSTRUCTIONS
        assert client.server_capabilities.resources is not None
    hints = {
        name: (tool.annotations.read_only_hint, tool.annotations.destructive_hint)
        for name, tool in tools.items()
        if tool.annotations
    }
    assert hints == {"done": (True, None), "paint": (False, False), "smash": (False, True)}
    assert list(tools["paint"].input_schema["properties"])[-1] == "confirm"
    assert list(tools["smash"].input_schema["properties"])[-1] == "confirm_name"
    assert not {"confirm", "confirm_name"} & set(tools["done"].input_schema["properties"])


async def test_the_policy_can_be_read(opened: Opener, audit: Callable[[], list[Message]]) -> None:
    """It is listed, read, and on record; what is not there is an error of its own."""
    async with opened(PGWARDEN_CONSENT="human") as client:
        [listed] = (await client.list_resources()).resources
        assert (listed.uri, listed.mime_type) == ("pgwarden://policy", "text/markdown")
        assert (await client.list_resource_templates()).resource_templates == []
        [content] = (await client.read_resource(listed.uri)).contents
        assert isinstance(content, TextResourceContents)
        assert "consent human" in content.text
        with pytest.raises(MCPError, match="no resource") as refusal:
            await client.read_resource("pgwarden://polic")
    assert refusal.value.error.code == INVALID_PARAMS
    assert [line["outcome"] for line in audit()] == ["allowed", "denied"]
