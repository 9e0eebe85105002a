"""`pgwarden demo`: the real server at work on a throwaway shop.

A PostgreSQL of its own in a temporary directory, the shop in it, `python -m pgwarden` on stdio, and a client that does
what an assistant would do, and some of what it must not. First with a server that reads, then with one that may change
data, then under a policy file. Everything shown is checked: it is a test as well.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import FrameType

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from pgwarden.demo import changes, scenes
from pgwarden.demo.stage import DemoError, Stage
from pgwarden.errors import WardenError
from pgwarden.providers.local import Cluster, find
from pgwarden.providers.local.postmaster import mentioning

READER, KEEPER = "shop_reader", "shop_keeper"
CALL_TIMEOUT_S = 30
CLEAN_TIMEOUT_S = 10
SETTINGS = {"fsync": "off", "shared_buffers": "32MB", "timezone": "UTC"}


def main() -> int:
    """Run the demo; return 0, 1 where something was not as narrated, 130 after Ctrl-C, 141 where nobody reads."""
    stage = Stage(sys.stdout)
    root = Path(tempfile.mkdtemp(prefix="pgw-demo-")).resolve()
    status = 0
    with _handled(_interrupt, signal.SIGTERM, signal.SIGHUP):  # they clean up as Ctrl-C does
        try:
            _perform(stage, root)
        except (DemoError, WardenError) as exc:
            status = _failed(exc)
        except BrokenPipeError:
            status = 141
        except KeyboardInterrupt:
            status = 130
        finally:
            # A second Ctrl-C must not leave half of it behind.
            with _handled(signal.SIG_IGN, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                left = _clean(root)
    return _farewell(stage, left, status)


def _perform(stage: Stage, root: Path) -> None:
    """Set the stage up and play all scenes."""
    stage.scene("A throwaway PostgreSQL with a small shop in it")
    started = time.perf_counter()
    cluster = Cluster(root / "pg", find(), settings=SETTINGS)
    cluster.create("shop")
    cluster.start()
    reader, keeper = _load_shop(cluster)
    version = ".".join(map(str, cluster.binaries.version))
    stage.say(f"PostgreSQL {version}, created, started and loaded in {time.perf_counter() - started:.1f} s.")
    stage.say(f"The server gets the role {READER}, which may SELECT and nothing else.")
    asyncio.run(_play(stage, root, reader, keeper))


def _load_shop(cluster: Cluster) -> tuple[str, str]:
    """Load the shop and return the URLs of who may read it and who may change it."""
    script = Path(__file__).with_name("shop.sql").read_text(encoding="utf-8")
    reader, keeper = cluster.make_password(READER), cluster.make_password(KEEPER)
    cluster.run_script(f"\\set reader_password '{reader}'\n\\set keeper_password '{keeper}'\n{script}", "shop")
    return cluster.url("shop", READER), cluster.url("shop", KEEPER)


async def _play(stage: Stage, root: Path, reader: str, keeper: str) -> None:
    """Play all scenes: with a server that reads, one that may change, and one under a policy file."""
    rules = Path(__file__).with_name("policy.yaml")
    somebody = changes.Person(stage)
    started = time.perf_counter()
    async with _served(root, PGWARDEN_DATABASE_URL=reader) as client:
        await scenes.play(stage, client, started)
    async with _served(root, PGWARDEN_DATABASE_URL=keeper, PGWARDEN_PROFILE="admin") as client:
        await changes.tiers(stage, client)
        await changes.rows(stage, client)
    async with _served(root, somebody, PGWARDEN_DATABASE_URL=keeper, PGWARDEN_GOVERNANCE=str(rules)) as client:
        await changes.person(stage, client, somebody)
        await changes.policy(stage, client, rules.read_text(encoding="utf-8"))
    scenes.audit_trail(stage, root / "audit.jsonl")


@asynccontextmanager
async def _served(root: Path, person: changes.Person | None = None, **variables: str) -> AsyncIterator[Client]:
    """Start the real server and connect a client to it; with a person, one that can ask them."""
    variables |= {"PGWARDEN_HOME": str(root), "PGWARDEN_AUDIT_PATH": str(root / "audit.jsonl")}
    # The path on the command line is how _clean recognises a server that was left behind.
    env_file = root / "server.env"
    env_file.unlink(missing_ok=True)
    with os.fdopen(os.open(env_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.writelines(f"{name}='{value}'\n" for name, value in variables.items())
    server = StdioServerParameters(command=sys.executable, args=["-m", "pgwarden", "--env-file", str(env_file)])
    with (root / "server.log").open("w+", encoding="utf-8") as log:
        try:
            async with Client(
                stdio_client(server, errlog=log), read_timeout_seconds=CALL_TIMEOUT_S, elicitation_callback=person
            ) as client:
                yield client
        except Exception as exc:
            cause = _cause(exc)
            if isinstance(cause, BrokenPipeError):
                raise cause from None
            log.seek(0)
            raise DemoError(f"{cause}\n{log.read()}".strip()) from exc


def _failed(exc: BaseException) -> int:
    hint = getattr(exc, "hint", None)
    with suppress(BrokenPipeError):
        print(f"pgwarden demo: {_cause(exc)}" + (f"\nhint: {hint}" if hint else ""), file=sys.stderr)
    return 1


def _cause(exc: BaseException) -> BaseException:
    """Return the first real error of what the client's task groups wrapped."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return exc


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None] | signal.Handlers, *numbers: int) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def _clean(root: Path) -> list[str]:
    """Stop and remove everything; return what could not be, as lines for a reader."""
    with suppress(WardenError):
        Cluster(root / "pg", find()).destroy()
    deadline = time.monotonic() + CLEAN_TIMEOUT_S
    while (running := mentioning(root)) and time.monotonic() < deadline:
        time.sleep(0.02)
    shutil.rmtree(root, ignore_errors=True)
    return [f"process {pid}" for pid in running] + ([str(root)] if root.exists() else [])


def _farewell(stage: Stage, left: list[str], status: int) -> int:
    """Say whether all is gone, where somebody still reads."""
    try:
        if left:
            stage.say(f"Left behind: {', '.join(left)}")
        else:
            stage.say("The server and PostgreSQL have ended, the directory is removed: nothing was left running.")
    except BrokenPipeError:
        status = 141
    if status == 141:
        # Python would complain about the closed pipe when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status or int(bool(left))
