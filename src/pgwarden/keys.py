"""Secrets of our own: files of random bytes that belong to one user and that nobody else can read."""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from pathlib import Path

from pgwarden.errors import ConfigError

KEY_BYTES = 32


def read(path: Path) -> bytes | None:
    """Return a key; None where there is none.

    Raises:
        ConfigError: It is not ours alone to read, or no key; the code is "key_unsafe".
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigError(f"The key {path} cannot be read: {exc.strerror}.", code="key_unsafe") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise ConfigError(
                f"The key {path} must be a file that belongs to you and that nobody else can read.",
                code="key_unsafe",
                hint="Others may know it. Remove it, make a new one, and keep its mode at 0600.",
            )
        key = os.read(descriptor, KEY_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"The key {path} is damaged: it must have {KEY_BYTES} bytes.",
            code="key_unsafe",
            hint="Remove it; a new one is made, and what was made with the old one is worth nothing then.",
        )
    return key


def make(path: Path) -> bytes:
    """Return a key, made whole or not at all where there is none; of two that make one, one wins.

    Raises:
        ConfigError: It cannot be written ("key_missing"), or is not safe ("key_unsafe").
    """
    key = read(path)
    if key is not None:
        return key
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # mkstemp's files are for their owner alone.
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".key.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(secrets.token_bytes(KEY_BYTES))
                stream.flush()
                os.fsync(descriptor)
            os.link(name, path)
        except FileExistsError:
            pass
        finally:
            os.unlink(name)
    except OSError as exc:
        raise ConfigError(f"The key {path} cannot be written: {exc.strerror}.", code="key_missing") from None
    key = read(path)
    if key is None:
        raise ConfigError(f"The key {path} was removed while it was made.", code="key_missing")
    return key
