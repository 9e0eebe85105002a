"""Options of the fuzzer. Name this folder on pytest's command line to use them."""

from __future__ import annotations

import pytest

SECONDS = 15.0
SEED = 0


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the fuzzer's options."""
    group = parser.getgroup("guard fuzzing")
    group.addoption("--fuzz-seconds", type=float, default=SECONDS, help="how long to mutate statements, in seconds")
    group.addoption("--fuzz-seed", type=int, default=SEED, help="another seed tries other mutations")


@pytest.fixture(scope="session")
def fuzz_seconds(request: pytest.FixtureRequest) -> float:
    """How long the mutation fuzzer runs."""
    return float(request.config.getoption("--fuzz-seconds", default=SECONDS))


@pytest.fixture(scope="session")
def fuzz_seed(request: pytest.FixtureRequest) -> int:
    """Where the mutation fuzzer starts."""
    return int(request.config.getoption("--fuzz-seed", default=SEED))
