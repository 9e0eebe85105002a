"""A server with one tool that does nothing, on the same SDK: what the protocol alone costs."""

from __future__ import annotations

from mcp.server import MCPServer

server: MCPServer[None] = MCPServer("empty", log_level="WARNING")


@server.tool(structured_output=False)
async def nothing() -> str:
    """Do nothing."""
    return ""


if __name__ == "__main__":
    server.run("stdio")
