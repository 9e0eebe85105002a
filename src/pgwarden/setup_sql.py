"""The SQL of a role that can do what a profile allows and no more, for an owner of the database to run.

With it PostgreSQL itself refuses what the guard would refuse before. The script is one transaction and can be run
again: it takes back what it gave in this database, and memberships whoever gave them, and gives what the profile
allows now. It touches no role that it has not made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pgwarden.errors import ConfigError
from pgwarden.policy.objects import ObjectRules, TableRule, hides_database, hides_schema
from pgwarden.policy.patterns import matches

PROFILES = ("read_only", "analyst", "developer", "admin", "operator")
MARK = "made by pgwarden setup-sql"
"""Comment on the role, by which the script knows it again."""

_PRIVILEGES: dict[str, tuple[str, ...]] = {
    "read_only": ("SELECT",),
    "analyst": ("SELECT", "INSERT"),
    "operator": ("SELECT", "INSERT", "UPDATE"),
    "developer": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "admin": ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"),
}
_CREATES = frozenset({"developer", "admin"})
_NEEDED_BY = {"REFERENCES": "ALTER", "TRIGGER": "ALTER"}
"""Statement types that privileges of other names are for."""
_ATTRIBUTES = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
_NAME_BYTES = 63


_HEADING = """\
-- A role for pgwarden with the profile {profile}. Run this as a superuser, or as an owner of the database who may
-- create roles, in the database that it is for. It can be run again, also with another profile for the same role.
--
-- There is no password in it. Set one afterwards, in psql: \\password and the role's name.
--
{notes}"""

_ROLE = """\
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {role}) THEN
    EXECUTE format('CREATE ROLE %I {attributes}', {role});
    EXECUTE format('COMMENT ON ROLE %I IS %L', {role}, {mark});
  ELSIF (SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = {role}) IS DISTINCT FROM {mark} THEN
    RAISE EXCEPTION 'the role % exists and was not made by pgwarden', {role} USING HINT = 'Choose another --role.';
  ELSIF EXISTS (
    SELECT FROM pg_roles WHERE rolname = {role}
    AND (rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls)
  ) THEN
    -- Only who has an attribute may take it away, or even say that there is none.
    EXECUTE format('ALTER ROLE %I {attributes}', {role});
  END IF;
END"""

_DATABASE = """\
BEGIN
  IF current_database() <> {database} THEN
    RAISE EXCEPTION 'this is the database %', current_database() USING HINT = 'Run it in ' || {database} || '.';
  END IF;
END"""

_CONNECT = """\
BEGIN
  EXECUTE format('REVOKE ALL ON DATABASE %I FROM %I', current_database(), {role});
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), {role});
END"""

_TAKE_BACK = """\
DECLARE
  this oid := (SELECT oid FROM pg_roles WHERE rolname = {role});
  each record;
BEGIN
  FOR each IN
    SELECT pg_get_userbyid(roleid) AS granted, pg_get_userbyid(grantor) AS grantor
    FROM pg_auth_members WHERE member = this
  LOOP
    -- From PostgreSQL 16 on a membership is taken back only from the one who gave it.
    EXECUTE format('REVOKE %I FROM %I', each.granted, {role})
      || CASE WHEN current_setting('server_version_num')::int >= 160000
         THEN format(' GRANTED BY %I CASCADE', each.grantor) ELSE ' CASCADE' END;
  END LOOP;
  FOR each IN
    SELECT pg_get_userbyid(defaclrole) AS owner, nspname
    FROM pg_default_acl JOIN pg_namespace n ON n.oid = defaclnamespace
    WHERE defaclobjtype IN ('r', 'S') AND EXISTS (SELECT FROM aclexplode(defaclacl) WHERE grantee = this)
    GROUP BY 1, 2
  LOOP
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I REVOKE ALL ON TABLES FROM %I',
      each.owner, each.nspname, {role});
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I REVOKE ALL ON SEQUENCES FROM %I',
      each.owner, each.nspname, {role});
  END LOOP;
  FOR each IN
    SELECT nspname FROM pg_namespace n
    WHERE EXISTS (SELECT FROM aclexplode(nspacl) WHERE grantee = this) OR EXISTS (
      SELECT FROM pg_class c, aclexplode(relacl) WHERE relnamespace = n.oid AND grantee = this AND relowner <> this
    )
  LOOP
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', each.nspname, {role});
    EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %I FROM %I', each.nspname, {role});
    EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %I', each.nspname, {role});
  END LOOP;
END"""

_OWNS_NOTHING = """\
BEGIN
  IF EXISTS (
    SELECT FROM pg_shdepend WHERE deptype = 'o' AND refclassid = 'pg_authid'::regclass
    AND refobjid = (SELECT oid FROM pg_roles WHERE rolname = {role})
    AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
  ) THEN
    RAISE EXCEPTION 'the role % owns objects, which it may change and drop whatever it is granted', {role}
      USING HINT = format('REASSIGN OWNED BY %I TO another role first.', {role});
  END IF;
END"""

_FUTURE = """\
DECLARE
  owner name;
BEGIN
  FOR owner IN
    {owners}
  LOOP
{changes}
  END LOOP;
END"""

_CHANGE = """\
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %I {change} %I', owner, {schema}, {role});"""

# The predefined role stands for the database's owner, and never creates anything itself.
_OWNERS = """\
SELECT rolname FROM pg_roles
    WHERE rolname NOT IN ('pg_database_owner', {role}) AND pg_has_role(oid, 'USAGE') AND oid IN (
      SELECT datdba FROM pg_database WHERE datname = current_database()
      UNION SELECT nspowner FROM pg_namespace WHERE nspname = {schema}
      UNION SELECT relowner FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = {schema}
    )"""

_RULE = """\
DECLARE
  each record;
BEGIN
  FOR each IN
    SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname IN ({schemas}) AND relkind IN ('r', 'p', 'v', 'm', 'f')
      AND nspname ~ {schema} AND relname ~ {table}
  LOOP
    EXECUTE format('REVOKE {privileges} ON TABLE %I.%I FROM %I', each.nspname, each.relname, {role});
  END LOOP;
END"""

_OWNER = """\
BEGIN
  IF EXISTS (
    SELECT FROM pg_roles WHERE rolname = {owner} AND (
      rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
      OR pg_has_role(rolname, 'pg_execute_server_program', 'MEMBER')
      OR pg_has_role(rolname, 'pg_read_server_files', 'MEMBER')
      OR pg_has_role(rolname, 'pg_write_server_files', 'MEMBER')
    )
  ) THEN
    RAISE EXCEPTION 'the role % could do more than own tables', {owner}
      USING HINT = 'Give the tables to a role without such rights, and name that one with --owner.';
  END IF;
END"""


@dataclass(frozen=True, slots=True)
class Request:
    """What the role is for.

    Attributes:
        profile: One of PROFILES.
        role: Its name; empty: pgwarden_ and the profile.
        schemas: The schemas it works in, at least one.
        database: The database it may connect to; None: the one that the script runs in.
        owner: Role that owns the tables: its future tables are granted too, and an admin becomes a member of it; None:
            the owners found when the script runs, and no membership.
        statement_timeout: Seconds for one of its statements.
        connections: Connections it may have at once.
        rules: Rules of the policy file that narrow what is granted.
        denied: Statement types that the policy file denies.
    """

    profile: str
    role: str = ""
    schemas: tuple[str, ...] = ("public",)
    database: str | None = None
    owner: str | None = None
    statement_timeout: float = 30
    connections: int = 20
    rules: ObjectRules = field(default_factory=ObjectRules)
    denied: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """The role's name."""
        return self.role or f"pgwarden_{self.profile}"

    @property
    def privileges(self) -> tuple[str, ...]:
        """Privileges on tables."""
        return tuple(p for p in _PRIVILEGES[self.profile] if _NEEDED_BY.get(p, p) not in self.denied)

    @property
    def creates(self) -> bool:
        """Whether it may create objects in its schemas."""
        return self.profile in _CREATES and "CREATE" not in self.denied


def render(request: Request) -> str:
    """Return the script.

    Raises:
        ConfigError: A name cannot be one of PostgreSQL's, or the policy file hides a schema or the database.
    """
    _check(request)
    parts = [
        _HEADING.format(profile=request.profile, notes="".join(f"-- {note}\n" for note in _notes(request))),
        "BEGIN;",
        *_database(request),
        _role(request),
        _settings(request),
        *(statement for schema in request.schemas for statement in _schema(request, schema)),
        *(_rule(request, rule) for rule in request.rules.tables),
        *_ownership(request),
        "COMMIT;",
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _notes(request: Request) -> Iterator[str]:
    yield "Functions can be run by every role, unless that is revoked: look at those that are SECURITY DEFINER."
    yield "What is granted to PUBLIC, the role may too. On PostgreSQL 14 and older, mind CREATE on the schema public."
    yield "So it may NOTIFY, make large objects, and, unless TEMPORARY on the database is revoked, temporary tables."
    if request.creates and request.profile == "developer":
        yield "ALTER and DROP need ownership: the role has it for what it creates, and for nothing else."
    if request.profile == "admin" and request.owner is None:
        yield "ALTER and DROP need ownership: name the tables' owner with --owner to make the role a member of it."
    if request.rules.masks:
        yield "Masks do not narrow the grants: pgwarden must read a column to mask it. It alone keeps a mask, so nobody"
        yield "else should have this role's password."
    if request.rules.tables:
        yield "Table rules are applied to the tables that there are. In schemas that they are about, future tables are"
        yield "not granted: run this again after creating some. CREATE, ALTER, DROP, GRANT and REVOKE follow ownership."


def _database(request: Request) -> Iterator[str]:
    if request.database is not None:
        yield _block(_DATABASE.format(database=_literal(request.database)))


def _role(request: Request) -> str:
    """Make the role, or take one that we have made; any other is somebody's."""
    role = _literal(request.name)
    return (
        _block(_ROLE.format(role=role, mark=_literal(MARK), attributes=_ATTRIBUTES))
        + "\n\n"
        + _block(_TAKE_BACK.format(role=role))
        + "\n\n"
        + ("" if request.profile in _CREATES else _block(_OWNS_NOTHING.format(role=role)) + "\n\n")
        + _block(_CONNECT.format(role=role))
    )


def _settings(request: Request) -> str:
    read_only = "SET default_transaction_read_only = on" if request.profile == "read_only" else None
    changes = (
        f"LOGIN CONNECTION LIMIT {request.connections}",
        f"SET statement_timeout = '{round(request.statement_timeout * 1000)}ms'",
        f"SET search_path = {', '.join(map(_name, request.schemas))}",
        read_only or "RESET default_transaction_read_only",
    )
    return "\n".join(f"ALTER ROLE {_name(request.name)} {change};" for change in changes)


def _schema(request: Request, schema: str) -> Iterator[str]:
    role, name = _name(request.name), _name(schema)
    revokes = [f"REVOKE ALL ON ALL {kind} IN SCHEMA {name} FROM {role};" for kind in ("TABLES", "SEQUENCES")]
    lines = [
        # What everybody may create, this role may too.
        f"REVOKE CREATE ON SCHEMA {name} FROM PUBLIC;",
        f"REVOKE ALL ON SCHEMA {name} FROM {role};",
        f"GRANT USAGE{', CREATE' if request.creates else ''} ON SCHEMA {name} TO {role};",
        *revokes,
    ]
    for privileges, kind in _grants(request):
        lines.append(f"GRANT {privileges} ON ALL {kind} IN SCHEMA {name} TO {role};")
    yield "\n".join(lines)
    yield _future(request, schema)


def _grants(request: Request) -> Iterator[tuple[str, str]]:
    if request.privileges:
        yield ", ".join(request.privileges), "TABLES"
    if "INSERT" in request.privileges:
        yield "USAGE", "SEQUENCES"


def _future(request: Request, schema: str) -> str:
    """Grant what will be created in a schema, by those who own it, the database or tables in it now."""
    role, name = _literal(request.name), _literal(schema)
    ruled = any(matches(rule.schema, schema) for rule in request.rules.tables)
    changes = [f"REVOKE ALL ON {kind} FROM" for kind in ("TABLES", "SEQUENCES")]
    if not ruled:
        changes += [f"GRANT {privileges} ON {kind} TO" for privileges, kind in _grants(request)]
    owners = _OWNERS.format(role=role, schema=name) if request.owner is None else f"SELECT {_literal(request.owner)}"
    lines = "\n".join(_CHANGE.format(change=change, schema=name, role=role) for change in changes)
    return _block(_FUTURE.format(owners=owners, changes=lines))


def _rule(request: Request, rule: TableRule) -> str:
    """Take back what a table rule denies, on the tables that match it now."""
    privileges = _revoked(request, rule)
    if not privileges:
        return f"-- A table rule that takes nothing from the profile {request.profile}."
    return _block(
        _RULE.format(
            schemas=", ".join(map(_literal, request.schemas)),
            schema=_literal(_regex(rule.schema)),
            table=_literal(_regex(rule.table)),
            privileges=privileges,
            role=_literal(request.name),
        )
    )


def _revoked(request: Request, rule: TableRule) -> str:
    if rule.hidden:
        return "ALL"
    denied = [privilege for privilege in request.privileges if rule.refuses(_NEEDED_BY.get(privilege, privilege))]
    return ", ".join(denied)


def _ownership(request: Request) -> Iterator[str]:
    """Make an admin a member of the owner, unless that would make it more than an owner; nobody else."""
    if request.owner is None or request.profile != "admin":
        return
    yield _block(_OWNER.format(owner=_literal(request.owner)))
    yield f"GRANT {_name(request.owner)} TO {_name(request.name)};"


def _check(request: Request) -> None:
    if not request.schemas:
        raise ConfigError("A role needs at least one schema.", hint="Name it with --schema.")
    for name in (request.name, *request.schemas, request.database, request.owner):
        if name is not None and not _is_name(name):
            raise ConfigError(f"{name[:64]!r} cannot be a name: it must have 1 to {_NAME_BYTES} bytes.")
    if request.name.startswith("pg_") or request.name in ("public", "none"):
        raise ConfigError(f"The role cannot be called {request.name!r}.", hint="PostgreSQL keeps this name for itself.")
    for schema in request.schemas:
        if hides_schema(request.rules, schema):
            raise ConfigError(f"The policy hides the schema {schema!r}.", hint="Name others with --schema.")
    if request.database is not None and hides_database(request.rules, request.database):
        raise ConfigError(f"The policy hides the database {request.database!r}.")


def _is_name(name: str) -> bool:
    try:
        return 0 < len(name.encode()) <= _NAME_BYTES and "\0" not in name
    except UnicodeEncodeError:
        return False


def _regex(pattern: str) -> str:
    """Return a pattern with `*` and `?` as PostgreSQL's regular expression for the whole of a name."""
    parts = (".*" if c == "*" else "." if c == "?" else re.sub(r"([^\w\s])", r"\\\1", c) for c in pattern)
    return f"^{''.join(parts)}$"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    """Return a constant that means the same whatever standard_conforming_strings is."""
    quoted = text.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in quoted else f"'{quoted}'"


def _block(body: str) -> str:
    """Return an anonymous block, in quotes that nothing in it can end."""
    tag = "setup"
    while f"${tag}$" in body:
        tag += "x"
    return f"DO ${tag}$\n{body}\n${tag}$;"
