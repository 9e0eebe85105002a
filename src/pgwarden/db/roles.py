"""What the connected role could do if the guard failed: the third layer, which only the server's owner can set up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgwarden.errors import PolicyError

_WARNINGS: Mapping[str, str] = {
    "superuser": "is a superuser: no privilege limits it",
    "bypassrls": "has BYPASSRLS: row security does not hold for it",
    "replication": "has REPLICATION: it can copy the whole cluster",
    "createrole": "has CREATEROLE: it can make and change roles",
    "read_server_files": "is a member of pg_read_server_files",
    "write_server_files": "is a member of pg_write_server_files",
    "execute_server_program": "is a member of pg_execute_server_program",
    "signal_backend": "is a member of pg_signal_backend: it can end other sessions",
    "create_in_public": "has CREATE on the schema public: it could place objects that others run",
    "owns_definer_functions": "owns SECURITY DEFINER functions",
}
_IMPLIED = frozenset(_WARNINGS) - {"superuser", "owns_definer_functions"}
"""What is true of every superuser, and would only repeat it."""
_WRITERS = frozenset({"create_in_public", "owns_definer_functions"})
"""What a role that changes data and schema may well be given."""


@dataclass(frozen=True, slots=True)
class RoleReport:
    """The connected role.

    Attributes:
        name: Its name.
        superuser: Whether it is one.
        powers: What it could do beyond reading, as stable names (`superuser`, `bypassrls`, ...).
        warnings: The same as sentences.
    """

    name: str
    superuser: bool
    powers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def least_privilege(self) -> bool:
        """Whether it can do nothing beyond reading that matters."""
        return not self.powers


def report(row: Mapping[str, str | None]) -> RoleReport:
    """Judge the row of the block `role`; its booleans are PostgreSQL's `t` and `f`."""
    name = row["name"] or ""
    superuser = row["superuser"] == "t"
    powers = tuple(p for p in _WARNINGS if row.get(p) == "t" and not (superuser and p in _IMPLIED))
    return RoleReport(name, superuser, powers, tuple(f"The role {name} {_WARNINGS[power]}." for power in powers))


def excess(role: RoleReport, *, writes: bool) -> RoleReport:
    """Return the report with those powers only that the profile does not need.

    Args:
        role: The role.
        writes: Whether the profile lets statements change something.
    """
    kept = [i for i, power in enumerate(role.powers) if not (writes and power in _WRITERS)]
    powers, warnings = (tuple(all_[i] for i in kept) for all_ in (role.powers, role.warnings))
    return RoleReport(role.name, role.superuser, powers, warnings)


def require_least_privilege(role: RoleReport, *, writes: bool = False) -> None:
    """Refuse a role that could do more than its profile.

    Args:
        role: The role.
        writes: Whether the profile lets statements change something.

    Raises:
        PolicyError: It could.
    """
    role = excess(role, writes=writes)
    if not role.least_privilege:
        readonly = "Connect as a role that may only read; examples/readonly_role.sql makes one."
        raise PolicyError(
            f"The policy requires a role of least privilege. {' '.join(role.warnings)}",
            code="role_too_powerful",
            hint="Connect as a role without them: pgwarden setup-sql makes one." if writes else readonly,
            details={"role": role.name, "powers": list(role.powers)},
        )
