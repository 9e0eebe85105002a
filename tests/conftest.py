"""Fixtures of every test; each plugin holds those of one subject."""

import os
import signal

import pytest
from hypothesis import settings

pytest_plugins = ["fix_db", "fix_database", "fix_proxy", "fix_server", "fix_tools", "fix_rows", "fix_clients"]

# At import, so that not even collecting a module reads them.
for _name in [name for name in os.environ if name.startswith(("PGWARDEN_", "PG"))]:
    del os.environ[_name]

# How long an example takes says what else the machine is doing.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """psycopg's async connections need asyncio."""
    return "asyncio"


def pytest_configure() -> None:
    """Let SIGTERM end a run as Ctrl-C does: fixtures stop their servers then."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
