"""Running PostgreSQL's programs as somebody who is not root: PostgreSQL refuses root.

Who is not root runs them directly. Root runs them in a user namespace that shows root as an ordinary user, so that no
user is made and no file changes its owner. Where namespaces are blocked (and on systems without them), root lends them
to an existing unprivileged user, who then owns the cluster's files.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pgwarden.errors import ConfigError

LENT_TO = ("pgwarden", "postgres", "_postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the programs. `prefix` goes before each command; `user` (uid, gid) is who they are lent to."""

    prefix: tuple[str, ...] = ()
    user: tuple[int, int] | None = None

    def run(
        self, argv: Sequence[str], *, stdin: str = "", timeout_s: float = 120, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, with none of our environment but the search path and the time zone.

        Args:
            argv: The program and its arguments.
            stdin: What it reads.
            timeout_s: Seconds until it is killed.
            env: Variables for it.

        Raises:
            subprocess.TimeoutExpired: It took longer.
        """
        uid, gid = self.user or (None, None)
        return subprocess.run(
            [*self.prefix, *argv],
            input=stdin,
            env=_environment() | dict(env or {}),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            user=uid,
            group=gid,
            extra_groups=[] if self.user else None,
        )

    def own(self, path: Path) -> None:
        """Make a file or directory theirs, where it would not be already."""
        if self.user:
            os.chown(path, *self.user)


@lru_cache
def current_account() -> Account:
    """Return the account for this process.

    Raises:
        ConfigError: We are root, namespaces are blocked, and there is no unprivileged user.
    """
    if os.geteuid() != 0:
        return Account()
    return _namespace() or _lent()


def _namespace() -> Account | None:
    """Return an account in a user namespace, or None where they do not work.

    It takes the numbers of an existing user, because initdb looks its own name up.
    """
    unshare, user = shutil.which("unshare"), _ordinary_user()
    if unshare is None or user is None:
        return None
    account = Account((unshare, "-U", f"--map-user={user.pw_uid}", f"--map-group={user.pw_gid}"))
    try:
        works = account.run(["id", "-u"], timeout_s=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return account if works.returncode == 0 and works.stdout.strip() == str(user.pw_uid) else None


def _ordinary_user() -> pwd.struct_passwd | None:
    return min(
        (each for each in pwd.getpwall() if each.pw_uid and each.pw_gid), key=lambda each: each.pw_uid, default=None
    )


def _lent() -> Account:
    for name in LENT_TO:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(user=(entry.pw_uid, entry.pw_gid))
    raise ConfigError(
        "PostgreSQL does not run as root, and there is no unprivileged user to run it.",
        hint=f"Start pgwarden as another user, or make one of these: {', '.join(LENT_TO)}.",
    )


def _environment() -> dict[str, str]:
    # The postmaster keeps its environment for life: ours may hold passwords and PG* variables that change its meaning.
    kept = {name: os.environ[name] for name in ("PATH", "TZ", "TMPDIR", "SystemRoot") if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", **kept}
