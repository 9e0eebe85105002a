"""A loopback stand-in for the Messages API, whose model follows a script: call these tools, then stop.

    with FakeMessages([("mcp__pgwarden__run_query", {"sql": "SELECT 1"})]) as api:
        ...  # run a client against api.url
        api.results

Only what a client needs in one conversation is here: streamed and plain answers of POST /v1/messages. A request that
offers no tools (a client's side questions, as for a title) gets a word and takes no step of the script.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Json = dict[str, Any]
Step = tuple[str, Json]
"""A tool's name and its arguments."""

FAREWELL = "That is all."


class FakeMessages:
    """The API, on a free loopback port."""

    def __init__(self, script: Sequence[Step]) -> None:
        """Take the calls that the model will make, one an answer."""
        self._script = list(script)
        self._numbers = itertools.count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self.requests: list[Json] = []
        """Every request that offered tools."""

    @property
    def url(self) -> str:
        """What a client takes as its base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def tools(self) -> list[str]:
        """The names of the tools that were offered to the model, in the last request."""
        return [tool["name"] for tool in self.requests[-1]["tools"]] if self.requests else []

    @property
    def results(self) -> list[Json]:
        """The tool results that reached the model, in the order of the script."""
        blocks = (block for message in self.requests[-1]["messages"] for block in _blocks(message["content"]))
        return [block for block in blocks if block.get("type") == "tool_result"] if self.requests else []

    def answer(self, request: Json) -> Json:
        """Return the model's next message."""
        content: Json = {"type": "text", "text": FAREWELL}
        if request.get("tools"):
            self.requests.append(request)
            done = len(self.results)
            if done < len(self._script):
                name, arguments = self._script[done]
                content = {"type": "tool_use", "id": f"toolu_{done + 1:04d}", "name": name, "input": arguments}
        return {
            "id": f"msg_{next(self._numbers):04d}",
            "type": "message",
            "role": "assistant",
            "model": request.get("model", "fake"),
            "content": [content],
            "stop_reason": "tool_use" if content["type"] == "tool_use" else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }

    def __enter__(self) -> FakeMessages:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(api: FakeMessages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(404, "application/json", b'{"type":"error","error":{"type":"not_found_error","message":"no"}}')

        do_HEAD = do_GET  # noqa: N815

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path.partition("?")[0]
            if path == "/v1/messages/count_tokens":
                self._send(200, "application/json", b'{"input_tokens":1}')
            elif path == "/v1/messages":
                self._answer(json.loads(body))
            else:
                self.do_GET()

        def _answer(self, request: Json) -> None:
            message = api.answer(request)
            if request.get("stream"):
                self._send(200, "text/event-stream", "".join(_events(message)).encode())
            else:
                self._send(200, "application/json", json.dumps(message).encode())

        def _send(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Be silent: the test reports what it needs."""

    return Handler


def _events(message: Json) -> Iterator[str]:
    """Stream a message of one block."""
    [block] = message["content"]
    if block["type"] == "tool_use":
        empty, delta = block | {"input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    else:
        empty, delta = block | {"text": ""}, {"type": "text_delta", "text": block["text"]}
    yield _event("message_start", message=message | {"content": [], "stop_reason": None})
    yield _event("content_block_start", index=0, content_block=empty)
    yield _event("content_block_delta", index=0, delta=delta)
    yield _event("content_block_stop", index=0)
    yield _event(
        "message_delta",
        delta={"stop_reason": message["stop_reason"], "stop_sequence": None},
        usage={"output_tokens": 1},
    )
    yield _event("message_stop")


def _event(kind: str, **data: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **data})}\n\n"


def _blocks(content: str | list[Json]) -> list[Json]:
    return [] if isinstance(content, str) else content
