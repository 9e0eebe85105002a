"""A bare client: JSON-RPC lines to a server's stdin and from its stdout, with the process at hand.

For what a full client hides: bytes of an answer, processor time, memory and signals of the server.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from benchmarks.servers import Program

Era = Literal["2025-11-25", "2026-07-28"]
"""The protocol's versions: with a handshake, and stateless."""

CLIENT = {"name": "benchmarks", "version": "1"}
_INHERITED = ("HOME", "PATH", "USER")


class Wire:
    """A server's process and its pipes. Methods block."""

    def __init__(self, process: subprocess.Popen[bytes], era: Era) -> None:
        """Take a process that was just started."""
        self.process = process
        self._era = era
        self._id = 0
        if era == "2025-11-25":
            self.request("initialize", {"protocolVersion": era, "capabilities": {}, "clientInfo": CLIENT})
            self._write({"method": "notifications/initialized"})

    @property
    def pid(self) -> int:
        """Of the server."""
        return self.process.pid

    def send(self, method: str, params: dict[str, Any] | None = None) -> int:
        """Send a request and return its id, without waiting for the answer."""
        self._id += 1
        self._write({"id": self._id, "method": method, "params": (params or {}) | self._meta()})
        return self._id

    def answer(self, request: int) -> bytes:
        """Return the line that answers a request; others are skipped.

        Raises:
            RuntimeError: It is an error, or the server ended.
        """
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            if message.get("id") == request:
                if "error" in message or message["result"].get("isError"):
                    raise RuntimeError(line.decode()[:500])
                return line
        raise RuntimeError("the server ended before it answered")

    def request(self, method: str, params: dict[str, Any] | None = None) -> bytes:
        """Send a request and return the line that answers it; raises as `answer`."""
        return self.answer(self.send(method, params))

    def query(self, sql: str) -> bytes:
        """Run a statement through pgwarden; raises as `answer`."""
        return self.request("tools/call", query(sql))

    def cancel(self, request: int) -> None:
        """Ask the server to give a request up."""
        self._write({"method": "notifications/cancelled", "params": {"requestId": request} | self._meta()})

    def close_stdin(self) -> None:
        """End the input, as a client does that goes away."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def _meta(self) -> dict[str, Any]:
        if self._era == "2025-11-25":
            return {}
        prefix = "io.modelcontextprotocol/"
        said = {"protocolVersion": self._era, "clientInfo": CLIENT, "clientCapabilities": {}}
        return {"_meta": {prefix + name: value for name, value in said.items()}}

    def _write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")
        self.process.stdin.flush()


def query(sql: str) -> dict[str, Any]:
    """Return the parameters of a call that runs a statement through pgwarden."""
    return {"name": "run_query", "arguments": {"sql": sql}}


@contextmanager
def started(program: Program, era: Era = "2025-11-25") -> Iterator[Wire]:
    """Start a server, and make an end of it whatever it does."""
    env = {name: os.environ[name] for name in _INHERITED if name in os.environ} | dict(program.env)
    process = subprocess.Popen(
        program.argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield Wire(process, era)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was not flushed has no reader any more
                    pipe.close()


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process so far, of all its threads."""
    return time.clock_gettime(~pid << 3 | 2)  # the kernel's clock id of another process's CPU time


def memory_mb(pid: int, name: Literal["VmRSS", "VmHWM"]) -> float:
    """Return the resident memory of a process in MB: now, or its peak since `forget_peak`."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"process {pid} has no {name}")


def forget_peak(pid: int) -> None:
    """Start the peak of a process's resident memory anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
