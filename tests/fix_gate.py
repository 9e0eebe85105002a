"""A network that stops where a change is committed.

async with Gate(database_url) as gate:
    db = Database(..., conninfo=gate.url)
    call = asyncio.create_task(db.write(...))
    await gate.reached.wait()
    gate.cut()
"""

from __future__ import annotations

import asyncio

from fix_proxy import Proxy


class Gate(Proxy):
    """A proxy that stops at COMMIT.

    Attributes:
        reached: Set when COMMIT has come.
        passes: Set to let it through.
        answers: Cleared to keep back what the server says.
    """

    def __init__(self, url: str) -> None:
        """Stand in front of the server of a URL."""
        super().__init__(url)
        self.reached, self.passes, self.answers = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.answers.set()

    async def __aenter__(self) -> Gate:
        """Listen."""
        await super().__aenter__()
        return self

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, outward: bool) -> None:
        try:
            while data := await source.read(65_536):
                if outward and b"COMMIT" in data:
                    self.reached.set()
                    await self.passes.wait()
                if not outward:
                    await self.answers.wait()
                target.write(data)
                await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()
