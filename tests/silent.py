"""A database that hangs: its port accepts connections, and nothing is ever said."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Silence:
    """The port."""

    def __init__(self) -> None:
        """Nobody has connected yet."""
        self.url = ""
        self.writers: list[asyncio.StreamWriter] = []
        self._reached = asyncio.Event()

    async def reached(self, timeout_s: float = 10) -> None:
        """Wait until somebody has connected."""
        await asyncio.wait_for(self._reached.wait(), timeout_s)

    async def accept(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection and say nothing."""
        self.writers.append(writer)
        self._reached.set()


@asynccontextmanager
async def silence(password: str = "secret") -> AsyncIterator[Silence]:
    """Open such a port on loopback."""
    port = Silence()
    listener = await asyncio.start_server(port.accept, "127.0.0.1", 0)
    number = listener.sockets[0].getsockname()[1]
    port.url = f"postgresql://someone:{password}@127.0.0.1:{number}/shop"
    try:
        yield port
    finally:
        listener.close()
        for writer in port.writers:
            writer.close()
        await listener.wait_closed()
