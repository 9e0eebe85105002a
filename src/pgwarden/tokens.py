"""Signed tokens: who calls, within which scopes, until when.

A token is a JWT signed with HMAC-SHA-256 under a key of 32 random bytes that only its owner can read. Whoever can read
the key can make tokens; whoever holds a token can use it until it expires, or until the key is replaced.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from pydantic import SecretStr

from pgwarden import keys
from pgwarden.errors import ConfigError

AUDIENCE = "pgwarden"
ALGORITHM = "HS256"
MAX_DAYS = 3650
MAX_CALLER = 64
_MAX_CHARS = 8_192
_DAY = 86_400
_LEEWAY = 30
"""Seconds that a token may be from the future: the clock may have been set back a little since."""
_CLAIMS = frozenset({"jti", "sub", "scope", "iat", "aud"})


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says.

    Attributes:
        id: Its own name, for the audit; says nothing about its signature.
        caller: Whom it was made for.
        scopes: What it grants, as written in it; `Scopes.of` checks them.
        issued: When it was made, in seconds since 1970.
        expires: From when on it is worth nothing, likewise; None: never.
    """

    id: str
    caller: str
    scopes: frozenset[str]
    issued: int
    expires: int | None


def key_file(home: Path) -> Path:
    """Return the path of the key in the state directory."""
    return home / "token.key"


def create(key_path: Path, scopes: Collection[str], caller: str, days: int | None, now: float) -> str:
    """Return a new token. The key is made where there is none.

    Args:
        key_path: The key.
        scopes: What it grants, at least one.
        caller: Whom it is for, 1 to 64 printable characters; the audit names them.
        days: How long it is valid, 1 to 3650; None: for ever.
        now: The time, in seconds since 1970.

    Raises:
        ConfigError: The key cannot be made, or others than its owner can read it; or an argument is out of bounds.
    """
    if not scopes:
        raise ConfigError("A token needs at least one scope.", hint="For example: --scope database:read.")
    if not 0 < len(caller) <= MAX_CALLER or not caller.isprintable():
        raise ConfigError(f"A caller's name has 1 to {MAX_CALLER} printable characters.")
    if days is not None and not 1 <= days <= MAX_DAYS:
        raise ConfigError(f"A token is valid for 1 to {MAX_DAYS} days.")
    claims: dict[str, Any] = {
        "jti": secrets.token_hex(8),
        "sub": caller,
        "scope": sorted(scopes),
        "iat": int(now),
        "aud": AUDIENCE,
    }
    if days is not None:
        claims["exp"] = int(now) + days * _DAY
    return jwt.encode(claims, keys.make(key_path), algorithm=ALGORITHM)


def read(text: SecretStr, key_path: Path, now: float) -> Token:
    """Verify a token.

    Args:
        text: The token.
        key_path: The key that it must be signed with.
        now: The time, in seconds since 1970.

    Raises:
        ConfigError: With the code "token_invalid" (not ours, or changed), "token_expired", "key_missing" or
            "key_unsafe".
    """
    key = keys.read(key_path)
    if key is None:
        raise ConfigError(
            f"There is no key {key_path} to verify the token with.",
            code="key_missing",
            hint="`pgwarden token create` makes it. Is PGWARDEN_HOME the one that the token was made in?",
        )
    token = _token(_claims(text.get_secret_value().strip(), key))
    if token.issued > now + _LEEWAY:
        raise _invalid("is from the future")
    if token.expires is not None and now >= token.expires:
        raise ConfigError(
            "The token has expired.", code="token_expired", hint="`pgwarden token create` makes a new one."
        )
    return token


def _claims(text: str, key: bytes) -> Mapping[str, Any]:
    if len(text) > _MAX_CHARS:
        raise _invalid("is too long")
    try:
        # The times are checked by `read`, against the time it is given.
        options: Any = {"require": sorted(_CLAIMS), "verify_exp": False, "verify_iat": False, "verify_nbf": False}
        claims: Mapping[str, Any] = jwt.decode(text, key, algorithms=[ALGORITHM], audience=AUDIENCE, options=options)
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        # Not the library's words: they may quote the token.
        raise _invalid("was not signed with this server's key, or was changed") from None
    return claims


def _token(claims: Mapping[str, Any]) -> Token:
    """Return the token of signed claims. One of another form is none of ours, and means what we do not know."""
    scopes, issued, expires = claims["scope"], claims["iat"], claims.get("exp")
    well_formed = (
        claims.keys() - {"exp"} == _CLAIMS
        and isinstance(claims["jti"], str)
        and isinstance(claims["sub"], str)
        and 0 < len(claims["sub"]) <= MAX_CALLER
        and claims["sub"].isprintable()
        and isinstance(scopes, list)
        and all(isinstance(scope, str) for scope in scopes)
        and type(issued) is int
        and (type(expires) is int or "exp" not in claims)
    )
    if not well_formed:
        raise _invalid("has a form that this version does not know")
    return Token(claims["jti"], claims["sub"], frozenset(scopes), issued, expires)


def _invalid(why: str) -> ConfigError:
    return ConfigError(
        f"The token {why}.", code="token_invalid", hint="`pgwarden token show` reads it; `token create` makes one."
    )
