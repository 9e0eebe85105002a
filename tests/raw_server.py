"""The server's process and its pipes, without an SDK between: for frames, orders and endings that clients hide."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from signal import Signals
from typing import Any

PROGRAM = (sys.executable, "-m", "pgwarden")
ANSWER_S = 20.0
_LINE_MAX = 16 << 20  # bytes

Message = dict[str, Any]


class RawServer:
    """A running `python -m pgwarden` that lines can be written to."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Read the process's stdout from now on."""
        self.process = process
        self.lines: list[str] = []
        """Everything that it wrote to stdout."""
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._reader = asyncio.create_task(self._read())

    async def initialize(self, version: str = "2025-06-18") -> Message:
        """Shake hands as a client of the older protocol; return the server's half."""
        client = {"name": "raw", "version": "1"}
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": client}
        answer = await self.request("initialize", params)
        await self.notify("notifications/initialized")
        return answer

    async def request(self, method: str, params: Message | None = None, timeout_s: float = ANSWER_S) -> Message:
        """Ask, and return the whole answer."""
        return await self.answer(await self.begin(method, params), timeout_s)

    async def call(self, tool: str, arguments: Message | None = None, timeout_s: float = ANSWER_S) -> Message:
        """Call a tool and return its result."""
        return await self.result(await self.begin_call(tool, arguments), timeout_s)

    async def begin_call(self, tool: str, arguments: Message | None = None) -> int:
        """Send a call without waiting; return its id."""
        return await self.begin("tools/call", {"name": tool, "arguments": arguments or {}})

    async def begin(self, method: str, params: Message | None = None) -> int:
        """Send a request without waiting; return its id."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self.send_line(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params or {}}))
        return number

    async def answer(self, number: int, timeout_s: float = ANSWER_S) -> Message:
        """Wait for the answer to a request."""
        return await asyncio.wait_for(self._waiting[number], timeout_s)

    async def result(self, number: int, timeout_s: float = ANSWER_S) -> Message:
        """Wait for the result of a call."""
        result: Message = (await self.answer(number, timeout_s))["result"]
        return result

    def answered(self, number: int) -> bool:
        """Whether a request has its answer."""
        return self._waiting[number].done()

    async def notify(self, method: str, params: Message | None = None) -> None:
        """Send a notification."""
        await self.send_line(json.dumps({"jsonrpc": "2.0", "method": method, "params": params or {}}))

    async def send_line(self, line: str | bytes) -> None:
        """Send a line as it is."""
        assert self.process.stdin is not None
        self.process.stdin.write((line if isinstance(line, bytes) else line.encode()) + b"\n")
        await self.process.stdin.drain()

    def end(self, ending: str) -> None:
        """Close its stdin (`EOF`), or send it the signal of this name."""
        if ending == "EOF":
            assert self.process.stdin is not None
            self.process.stdin.close()
        else:
            self.process.send_signal(Signals[ending])

    def hang_up(self) -> None:
        """Close both pipes, as the end of the client's process does."""
        transport = self.process._transport  # type: ignore[attr-defined]  # there is no other way to close stdout
        transport.get_pipe_transport(1).close()
        self.end("EOF")

    async def exit_status(self, timeout_s: float = ANSWER_S) -> int:
        """Wait until the process is gone and all that it wrote was read."""
        status = await asyncio.wait_for(self.process.wait(), timeout_s)
        await asyncio.wait_for(self._reader, timeout_s)
        return status

    async def close(self) -> None:
        """Kill it where it still runs."""
        if self.process.returncode is None:
            self.process.kill()
        await self.exit_status()
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while raw := await self.process.stdout.readline():
            line = raw.decode()
            self.lines.append(line)
            message = json.loads(line)
            waiting = self._waiting.get(message.get("id"))
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(EOFError("the server has ended without an answer"))
                waiting.exception()  # Seen: not every test wants the answer.


@asynccontextmanager
async def launched(
    environment: Mapping[str, str], log: Path, command: Sequence[str] = PROGRAM
) -> AsyncIterator[RawServer]:
    """Start a server with these variables; its stderr goes to the end of `log`."""
    with log.open("ab") as stderr:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, **environment},
            limit=_LINE_MAX,
        )
    server = RawServer(process)
    try:
        yield server
    finally:
        await server.close()


def text_of(result: Message) -> str:
    """The text of a call's result."""
    return "\n".join(block["text"] for block in result["content"])


def error_of(result: Message) -> Message:
    """The error in a failed call's result."""
    assert result["isError"], text_of(result)
    error: Message = json.loads(text_of(result))["error"]
    return error
