"""Calls of the real server, and what their answers say."""

from __future__ import annotations

import json
from typing import Any

from mcp import Client
from mcp_types import CallToolResult, TextContent

from pgwarden.demo.stage import Stage, check


async def shown(stage: Stage, client: Client, tool: str, arguments: dict[str, Any], lines: int = 12) -> str:
    """Make a call, show it with its answer and return that."""
    stage.call(tool, ", ".join(f"{name}={_plain(value)}" for name, value in arguments.items()))
    answer = text(await result(client, tool, arguments))
    stage.show(answer, lines)
    return answer


async def result(client: Client, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    """Make a call that must succeed."""
    made = await client.call_tool(tool, arguments)
    check(not made.is_error, f"{tool} answers; it said {text(made)}")
    return made


def text(made: CallToolResult) -> str:
    """Return the text of an answer."""
    return "\n".join(block.text for block in made.content if isinstance(block, TextContent))


def error(made: CallToolResult) -> dict[str, Any]:
    """Return the error of an answer; empty where there is none."""
    try:
        parsed = json.loads(text(made))
    except ValueError:
        return {}
    found = parsed.get("error") if isinstance(parsed, dict) else None
    return found if isinstance(found, dict) else {}


def _plain(value: Any) -> str:
    return value.strip() if isinstance(value, str) else json.dumps(value)
