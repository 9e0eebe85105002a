"""What can go wrong with a file, in the caller's terms."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from pgwarden.errors import WardenError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class ExportError(WardenError):
    """The file cannot be written; nothing bears its name."""

    code = "export_failed"


def full() -> ExportError:
    """Return the error of a disk without room for the file."""
    return ExportError(
        "There is no room for the file on its disk; nothing was kept of it.",
        code="disk_full",
        hint="Export less, or let the person make room.",
    )


@contextmanager
def explained() -> Iterator[None]:
    """Turn the system's errors into ours.

    Raises:
        ExportError: The block raises an OSError.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno in _FULL:
            raise full() from None
        why = exc.strerror or "no reason was given"
        raise ExportError(
            f"The export directory cannot be written: {why}.", hint="PGWARDEN_EXPORT_DIR names it: tell the person."
        ) from None
