"""Serving on stdin and stdout: how it ends, and frames that the SDK would drop without an answer."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any, Protocol

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError
from pydantic import ValidationError

_DRAIN = 2.0
"""Seconds that cancelled calls have to end their statements and write their audit line."""

_ID_DIGITS = 18
_READABLE = "A text must not have half a surrogate pair, nor an argument be nested hundreds deep or a number endless."
_TOKEN = re.compile(
    r'[{}\[\]]|"(?P<name>id|method)"\s*:\s*(?P<value>"(?:[^"\\]|\\.)*"|-?\d{1,18}(?![\d.eE]))|"(?:[^"\\]|\\.)*"'
)
"""What matters of JSON to find the members of its outermost object: brackets, strings, and members of these names."""

Item = SessionMessage | Exception


class Receiver(Protocol):
    """The SDK's stream of incoming frames."""

    last_context: Context | None

    async def receive(self) -> Item:
        """Return the next frame, or what was wrong with it."""

    async def aclose(self) -> None:
        """Close the stream."""


class AnsweredFrames:
    """The incoming frames, of which those with an id that cannot be read are answered here.

    The SDK logs and drops them, and the caller would wait for ever. The case that a model can cause is a lone surrogate
    in an argument: JavaScript writes it as an escape that strict JSON parsers refuse.
    """

    def __init__(self, frames: Receiver, answer: Callable[[SessionMessage], Awaitable[None]]) -> None:
        """Wrap the SDK's stream; `answer` sends a frame."""
        self._frames = frames
        self._answer = answer

    @property
    def last_context(self) -> Context | None:
        """The context of the last frame's sender, which the SDK looks for."""
        return self._frames.last_context

    async def receive(self) -> Item:
        """Return the next frame that can be read, or that has nothing to be answered to."""
        while True:
            item = await self._frames.receive()
            refusal = _refusal(item) if isinstance(item, ValidationError) else None
            if refusal is None:
                return item
            await self._answer(SessionMessage(refusal))

    async def aclose(self) -> None:
        """Close the stream."""
        await self._frames.aclose()

    def __aiter__(self) -> AnsweredFrames:
        """Iterate over the frames."""
        return self

    async def __anext__(self) -> Item:
        """Return the next frame."""
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> AnsweredFrames:
        """Own the stream."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.aclose()


def _refusal(exc: ValidationError) -> JSONRPCError | None:
    error = exc.errors(include_url=False, include_context=False)[0]
    number = (
        _id(error["input"]) if error["type"] == "json_invalid" and isinstance(error["input"], str | bytes) else None
    )
    if number is None:
        return None
    message = f"The request cannot be read: {error['msg']}. {_READABLE}"
    return JSONRPCError(jsonrpc="2.0", id=number, error=ErrorData(code=PARSE_ERROR, message=message))


def _id(text: str | bytes) -> str | int | None:
    """Return the id of a request, of which at least the outermost object can be read; None where it has none."""
    try:
        frame = json.loads(text, parse_int=lambda digits: int(digits) if len(digits) <= _ID_DIGITS else None)
    except ValueError:
        return None
    except RecursionError:
        frame = _outermost(text if isinstance(text, str) else text.decode(errors="replace"))
    if not isinstance(frame, dict) or "method" not in frame:
        return None
    number = frame.get("id")
    return number if isinstance(number, str | int) and not isinstance(number, bool) else None


def _outermost(text: str) -> dict[str, Any]:
    """Return the members of an object that are plain, where what is nested is too deep to be read."""
    depth, members = 0, {}
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in ("{", "["):
            depth += 1
        elif token in ("}", "]"):
            depth -= 1
        elif depth == 1 and match["name"] is not None:
            members[match["name"]] = json.loads(match["value"])
    return members


@asynccontextmanager
async def streams() -> AsyncIterator[tuple[Any, Any]]:
    """Claim stdin and stdout; give the stream of incoming frames and the one of outgoing frames."""
    async with stdio_server() as (read_stream, write_stream):
        yield AnsweredFrames(read_stream, write_stream.send), write_stream


async def serve(
    run: Callable[[], Awaitable[None]],
    drain: Callable[[float], Awaitable[None]],
    close: Callable[[], Awaitable[None]],
) -> None:
    """Run a server until stdin ends, the client is gone, or a signal (SIGTERM, SIGINT, SIGHUP) asks to stop.

    Args:
        run: Serves until stdin ends.
        drain: Waits at most so many seconds for cancelled calls to end.
        close: Ends running statements and closes what is open.
    """
    client_is_gone = False
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_on_signal, group.cancel_scope, drain, close)
            await run()
            group.cancel_scope.cancel()
    except* (BrokenPipeError, ConnectionResetError):
        client_is_gone = True
    finally:
        with anyio.CancelScope(shield=True):
            await drain(_DRAIN)
            await close()
    if client_is_gone:
        # Neither the thread that reads stdin nor what is buffered for stdout can come to an end.
        os._exit(0)


async def _stop_on_signal(
    scope: anyio.CancelScope, drain: Callable[[float], Awaitable[None]], close: Callable[[], Awaitable[None]]
) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async for _ in signals:
            scope.cancel()
            with anyio.CancelScope(shield=True):
                await drain(_DRAIN)
                await close()
            # The SDK's thread is blocked in a read of stdin that nothing can interrupt.
            os._exit(0)
