# SPDX-License-Identifier: Apache-2.0
"""Who asks: from a request's headers to a Caller, or a refusal.

    X-Auth-Token: TOKEN            --SHA-256--> records.Token --> Caller
    Authorization: Bearer TOKEN    --'
    Authorization: Basic ...       --name--> records.User --1. verified lately? 2. scrypt--> Caller

A password costs a quarter of a second to check, on purpose, so one that was right is remembered in memory: as an HMAC
under a key of this process, together with the stored hash that it matched. Another hash there voids it. Before anybody
is refused, they are looked for in what the store holds now: another server or a command may just have added them.

Passwords are checked a few at a time, and few may wait: a flood of wrong ones leaves memory and processors to others.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from vxnet.cluster.caller import Caller, TooManyLoginsError, UnauthenticatedError
from vxnet.cluster.secrets import MOST_PASSWORD, is_token, nobodys_password, password_matches, token_digest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from vxnet.cluster.records import Token, User
    from vxnet.cluster.replica import Replica

CHALLENGE: Final = 'Basic realm="vxnet", charset="UTF-8"'
"""The header WWW-Authenticate of a refusal (RFC 7617 section 2.1)."""

MOST_WAITING: Final = 32
"""How many passwords may wait to be checked: the last of them for some seconds. More are refused at once."""

_REFUSED = "the name or the password is not right"


class Identity:
    """Knows who asks. ``replica``: the cluster as it is known; ``fresh``: as it is, which asks the store."""

    def __init__(self, replica: Callable[[], Replica], fresh: Callable[[], Awaitable[Replica]]) -> None:
        self._replica = replica
        self._fresh = fresh
        self._key = secrets.token_bytes(32)
        self._verified: dict[str, tuple[bytes, str]] = {}  # by user: the HMAC of the password, the stored hash
        self._nobody = nobodys_password()
        self._checking = ThreadPoolExecutor(max(1, (os.cpu_count() or 2) // 2), thread_name_prefix="scrypt")
        self._waiting = 0

    async def caller(self, headers: Mapping[str, str]) -> Caller:
        """Return who asks. ``headers``: by name, in small letters or in any.

        UnauthenticatedError if nobody we know; TooManyLoginsError if it cannot be looked into now. StoreError.
        """
        token = headers.get("x-auth-token")
        if token is not None:
            return await self._of_token(token)
        scheme, _, credentials = headers.get("authorization", "").strip().partition(" ")
        match scheme.lower():
            case "bearer":
                return await self._of_token(credentials.strip())
            case "basic":
                return await self._of_password(*_decoded(credentials.strip()))
            case "":
                raise UnauthenticatedError("who asks? send a user and password by HTTP Basic, or a token")
            case _:
                raise UnauthenticatedError("Authorization: only Basic and Bearer are known")

    def close(self) -> None:
        """Let the threads go."""
        self._checking.shutdown(wait=False, cancel_futures=True)

    # ---- tokens ----

    async def _of_token(self, token: str) -> Caller:
        if is_token(token):
            digest = token_digest(token)
            found = self._replica().tokens.get(digest) or (await self._fresh()).tokens.get(digest)
            if found:
                return _token_caller(found)
        raise UnauthenticatedError("the token is not valid; it is mistyped, or was deleted")

    # ---- passwords ----

    async def _of_password(self, name: str, password: str) -> Caller:
        proof = hmac.digest(self._key, f"{name}:{password}".encode("utf-8", "surrogatepass"), "sha256")
        user = self._replica().users.get(name)
        if user and self._remembered(user, proof):
            return _user_caller(user)
        if not await self._matches(user, password):
            refused, user = user, (await self._fresh()).users.get(name)
            if user is None or user.password == (refused.password if refused else ""):
                raise UnauthenticatedError(_REFUSED)
            if not await self._matches(user, password):
                raise UnauthenticatedError(_REFUSED)
        if user is None:
            raise UnauthenticatedError(_REFUSED)
        # Threads take their time: the user may be another by now, or gone.
        now = self._replica().users.get(name)
        if now is None or now.password != user.password:
            raise UnauthenticatedError(_REFUSED)
        self._verified[name] = proof, user.password
        return _user_caller(now)

    def _remembered(self, user: User, proof: bytes) -> bool:
        known, stored = self._verified.get(user.name, (b"", ""))
        return stored == user.password and hmac.compare_digest(known, proof)

    async def _matches(self, user: User | None, password: str) -> bool:
        """Check a password, also that of a user who does not exist: who asks is not to learn that from the time."""
        if len(password) > MOST_PASSWORD:
            return False
        if self._waiting >= MOST_WAITING:
            raise TooManyLoginsError("too many passwords wait to be checked; try again in a few seconds")
        self._waiting += 1
        try:
            kept = user.password if user else self._nobody
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._checking, password_matches, password, kept)
        finally:
            self._waiting -= 1


def _decoded(credentials: str) -> tuple[str, str]:
    """Return user and password (RFC 7617 section 2). No error says what was sent."""
    try:
        text = base64.b64decode(credentials, validate=True).decode()
    except ValueError:
        raise UnauthenticatedError(
            "Authorization: Basic is not followed by USER:PASSWORD in UTF-8 and base64"
        ) from None
    name, colon, password = text.partition(":")
    if not colon:
        raise UnauthenticatedError("Authorization: Basic has no colon between user and password")
    return name, password


def _user_caller(user: User) -> Caller:
    return Caller(user.name, user.project_id, user.role)


def _token_caller(token: Token) -> Caller:
    return Caller(token.name, token.project_id, token.role, token.host)
