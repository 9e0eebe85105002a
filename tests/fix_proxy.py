"""A network to break: a TCP proxy in front of the test's server.

    async def test_it(proxy):
        async with proxy as network:
            db = Database(..., conninfo=network.url)
            network.cut()

It is entered by the test itself, so that its sockets live in the test's event loop.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from urllib.parse import urlsplit

import pytest

_SYNC = b"S\x00\x00\x00\x04"


class Proxy:
    """Forwards loopback connections to a server, and misbehaves on demand.

    Attributes:
        delay_s: Seconds that everything waits, in each direction.
        one_sync: Whether it hangs up on batches with more than one sync, as a pooler that cannot pipeline.
        accepted: Connections so far.
    """

    def __init__(self, url: str) -> None:
        """Stand in front of the server of a URL."""
        self._target = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.delay_s = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.one_sync = False
        self.accepted = 0

    @property
    def url(self) -> str:
        """The same URL through the proxy."""
        user = self._target.netloc.rpartition("@")[0]
        return self._target._replace(netloc=f"{user}@127.0.0.1:{self._port}").geturl()

    async def __aenter__(self) -> Proxy:
        """Listen."""
        await self.accept()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and hang up."""
        await self.refuse()
        self.cut()
        self.hanging = False
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def accept(self) -> None:
        """Accept connections, at the same port as before."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Refuse new connections from now on; those that stand go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    @property
    def hanging(self) -> bool:
        """Whether nothing is forwarded, while connections stay open and new ones are accepted."""
        return not self._flowing.is_set()

    @hanging.setter
    def hanging(self, value: bool) -> None:
        if value:
            self._flowing.clear()
        else:
            self._flowing.set()

    def forward_to(self, url: str) -> None:
        """Forward new connections to the server of another URL; a restarted one has another port."""
        self._target = urlsplit(url)

    def cut(self) -> None:
        """Hang up on both sides of every connection."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        try:
            upstream, downstream = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, downstream}
        for source, target in ((reader, downstream), (upstream, writer)):
            task = asyncio.create_task(self._forward(source, target, outward=target is downstream))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, outward: bool) -> None:
        try:
            while data := await source.read(65_536):
                if outward and self.one_sync and data.count(_SYNC) > 1:
                    self.cut()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                await self._flowing.wait()
                target.write(data)
                await target.drain()
        except ConnectionError:
            pass
        finally:
            target.close()


@pytest.fixture
def proxy(database_url: str) -> Proxy:
    """A proxy in front of a fresh database; enter it in the test."""
    return Proxy(database_url)
