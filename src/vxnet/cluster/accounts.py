# SPDX-License-Identifier: Apache-2.0
"""Users and tokens: who is let in, and who not any more. Functions to decide with; see writing.py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from vxnet.cluster.writing import Decision, transaction
from vxnet.errors import VxnetError

if TYPE_CHECKING:
    from vxnet.cluster.records import Token, User
    from vxnet.cluster.replica import Replica

MOST_NAME: Final = 255
"""Characters of a name."""

HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")

LEAST_ID: Final = 8
MOST_ID: Final = 12
"""Hex digits of a token's digest that name it to people: so many are shown, and as few as the least will do."""


class AccountError(VxnetError):
    """A user or token cannot be made or removed as asked: names it and the cure."""


def check_name(what: str, name: str, without: str = "") -> str:
    """Return the name of a user, project, token or host, or raise AccountError."""
    if not name or len(name) > MOST_NAME:
        raise AccountError(f"{what}: a name has 1 to {MOST_NAME} characters; this one has {len(name)}")
    if not name.isprintable() or name != name.strip():
        raise AccountError(f"{what}: {name!r} has characters that nobody sees; leave them out")
    for letter in without:
        if letter in name:
            raise AccountError(f"{what}: {name!r} has {letter!r} in it, which cannot be in such a name")
    return name


def check_host(name: str) -> str:
    """Return the name of a host, as `vxnet agent --host` takes it, or raise AccountError."""
    if not HOST_NAME.fullmatch(name):
        raise AccountError(
            f"host: {name!r} is no name of a host; it is of letters, digits, dots, dashes and underscores"
        )
    return name


# ---- users ----


def add_user(replica: Replica, user: User) -> Decision[None]:
    """Add a user, whose name is new. RFC 7617 section 2: without a colon."""
    check_name("user", user.name, without=":")
    check_name("project", user.project_id)
    if replica.users.get(user.name):
        raise AccountError(f"user {user.name} exists; vxnet cluster user set-password or delete")
    return Decision(transaction(replica, put=[user]), None)


def set_password(replica: Replica, name: str, password: str) -> Decision[None]:
    """Give a user another password, of which ``password`` is the hash."""
    user = msgspec.structs.replace(_user(replica, name), password=password)
    return Decision(transaction(replica, put=[user]), None)


def delete_user(replica: Replica, name: str) -> Decision[None]:
    """Let no request of this user in any more. What belongs to the project stays."""
    return Decision(transaction(replica, delete=[_user(replica, name)]), None)


def _user(replica: Replica, name: str) -> User:
    user = replica.users.get(name)
    if user is None:
        raise AccountError(f"user {name} does not exist; vxnet cluster user list shows who does")
    return user


# ---- tokens ----


def add_token(replica: Replica, token: Token) -> Decision[None]:
    """Add a token of a project, or of a host's agent; a project's has a name of its own."""
    if token.host:
        check_host(token.host)
    else:
        check_name("token", token.name)
        check_name("project", token.project_id)
        if any(other.name == token.name for other in replica.tokens if not other.host):
            raise AccountError(f"token {token.name} exists; give this one another name, or delete that one")
    return Decision(transaction(replica, put=[token]), None)


def delete_token(replica: Replica, name: str) -> Decision[None]:
    """Delete the project's token with this name, or any token by the first hex digits of its digest."""
    named = [token for token in replica.tokens if token.name == name and not token.host]
    found = named or [
        token for token in replica.tokens if len(name) >= LEAST_ID and token.digest.startswith(name.lower())
    ]
    if len(found) != 1:
        wrong = "is the beginning of several" if found else "does not exist"
        raise AccountError(f"token {name} {wrong}; vxnet cluster token list shows names and ids")
    return Decision(transaction(replica, delete=found), None)


def revoke_host(replica: Replica, host: str) -> Decision[None]:
    """Delete all tokens of a host's agent."""
    found = list(replica.tokens.where("host", host)) if host else []
    if not found:
        raise AccountError(f"host {host} has no token; vxnet cluster token list shows which have")
    return Decision(transaction(replica, delete=found), None)


def token_id(token: Token) -> str:
    """Return what a token is called in lists: the beginning of its digest, which is no secret."""
    return token.digest[:MOST_ID]
