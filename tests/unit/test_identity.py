# SPDX-License-Identifier: Apache-2.0
"""Who is let in: by password or token, and every way not to be."""

from __future__ import annotations

import asyncio
import base64
import logging
from typing import TYPE_CHECKING

import pytest

from vxnet.cluster import secrets
from vxnet.cluster.caller import Caller, TooManyLoginsError, UnauthenticatedError
from vxnet.cluster.records import Token, User
from vxnet.cluster.replica import Replica
from vxnet.cluster.secrets import hash_password, token_digest
from vxnet.server import identity as subject
from vxnet.server.identity import MOST_WAITING, Identity
from vxnet.store.base import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio

ANA = Caller("ana", "green", "member")
HOST, ROBOT, NOBODY = (f"vxnet-{letter * 43}" for letter in "HRN")


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests by asyncio."""
    return "asyncio"


@pytest.fixture(autouse=True)
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make hashes cheap, and note of which stored one a password was held against it."""
    stored: list[str] = []

    def matches(password: str, kept: str) -> bool:
        stored.append(kept)
        return secrets.password_matches(password, kept)

    monkeypatch.setattr(secrets, "_N", 16)
    monkeypatch.setattr(subject, "password_matches", matches)
    return stored


class Known:
    """What a server knows of the cluster, and what the store holds already."""

    def __init__(self) -> None:
        self.replica = Replica()
        self.replica.users.put(User("ana", "green", "member", hash_password("right")), 1)
        self.replica.tokens.put(Token(digest=token_digest(HOST), name="agent h1", host="h1"), 1)
        self.replica.tokens.put(Token(digest=token_digest(ROBOT), name="robot", project_id="red", role="admin"), 1)
        self.away = False
        self.soon: list[User] = []
        self.identity = Identity(lambda: self.replica, self.fresh)

    async def fresh(self) -> Replica:
        """Catch up with the store."""
        if self.away:
            raise StoreError("the store is away")
        while self.soon:
            self.replica.users.put(self.soon.pop(), 2)
        return self.replica

    async def caller(self, **headers: str) -> Caller:
        """Return who a request with these headers is from."""
        return await self.identity.caller({name.replace("_", "-"): value for name, value in headers.items()})

    async def refused(self, **headers: str) -> str:
        """Return why a request with these headers is not let in."""
        with pytest.raises(UnauthenticatedError) as caught:
            await self.caller(**headers)
        return str(caught.value)


@pytest.fixture
def known() -> Iterator[Known]:
    """A server that knows one user, an agent's token and a program's."""
    one = Known()
    yield one
    one.identity.close()


def basic(name: str, password: str) -> str:
    """Return the header of HTTP Basic."""
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


RIGHT = basic("ana", "right")


async def test_a_password(known: Known) -> None:
    """The right password is its user, with project and role."""
    assert await known.caller(authorization=RIGHT) == ANA
    assert await known.caller(authorization=RIGHT.replace("Basic", "bAsIc")) == ANA


@pytest.mark.parametrize("header", ["x_auth_token", "authorization"])
async def test_tokens(known: Known, header: str) -> None:
    """A token is a program of a project, or the agent of a host, in both headers."""
    scheme = "Bearer " if header == "authorization" else ""
    assert await known.caller(**{header: scheme + ROBOT}) == Caller("robot", "red", "admin")
    assert await known.caller(**{header: scheme + HOST}) == Caller("agent h1", "", "reader", "h1")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Basic"},
        {"authorization": "Basic ***"},
        {"authorization": "Basic //8="},
        {"authorization": f"Basic {base64.b64encode(b'no colon').decode()}"},
        {"authorization": "Digest username=ana"},
        {"authorization": basic("ana", "wrong")},
        {"authorization": basic("ana", "")},
        {"authorization": basic("ana", "right" * 1000)},
        {"authorization": basic("ANA", "right")},
        {"authorization": basic("bob", "right")},
        {"authorization": basic("", "")},
        {"authorization": "Bearer"},
        {"authorization": f"Bearer {NOBODY}"},
        {"x_auth_token": ""},
        {"x_auth_token": "vxnet-"},
        {"x_auth_token": token_digest(ROBOT)},
        {"x_auth_token": NOBODY, "authorization": RIGHT},
    ],
    ids=str,
)
async def test_refused(known: Known, headers: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """Nobody is let in without credentials, with wrong ones, or with a wrong one beside a right; nor are they said."""
    caplog.set_level(logging.DEBUG)
    told = await known.refused(**headers) + caplog.text
    for value in headers.values():
        secret = value.removeprefix("Basic").removeprefix("Bearer").strip()
        assert not secret or secret not in told


async def test_who_does_not_exist_is_not_told_from_a_wrong_password(known: Known, checked: list[str]) -> None:
    """Both are refused in the same words, after a hash of the same cost was computed."""
    unknown = await known.refused(authorization=basic("bob", "x"))
    wrong = await known.refused(authorization=basic("ana", "x"))
    assert unknown == wrong
    costs = [kept.split("$")[:4] for kept in checked]
    assert costs == [costs[0]] * 2


async def test_a_right_password_is_computed_once(known: Known, checked: list[str]) -> None:
    """Afterwards the same one is remembered; a wrong one is computed, and refused, each time."""
    for _ in range(3):
        await known.caller(authorization=RIGHT)
    assert len(checked) == 1
    for _ in range(2):
        await known.refused(authorization=basic("ana", "wrong"))
    assert len(checked) == 3


async def test_a_changed_password_voids_what_is_remembered(known: Known, checked: list[str]) -> None:
    """The old password is refused as soon as the user has another, and the new one let in."""
    await known.caller(authorization=RIGHT)
    known.replica.users.put(User("ana", "green", "member", hash_password("new")), 2)
    await known.refused(authorization=RIGHT)
    assert await known.caller(authorization=basic("ana", "new")) == ANA
    assert len(checked) == 3


async def test_the_same_password_set_anew_is_computed_anew(known: Known, checked: list[str]) -> None:
    """Another salt is another hash: nothing that was remembered of the old one counts."""
    await known.caller(authorization=RIGHT)
    known.replica.users.put(User("ana", "green", "member", hash_password("right")), 2)
    await known.caller(authorization=RIGHT)
    assert len(checked) == 2


async def test_role_and_project_are_those_of_now(known: Known) -> None:
    """What is remembered is the password, not what its user may do."""
    await known.caller(authorization=RIGHT)
    user = known.replica.users.get("ana")
    assert user
    known.replica.users.put(User("ana", "red", "reader", user.password), 2)
    assert await known.caller(authorization=RIGHT) == Caller("ana", "red", "reader")


async def test_a_deleted_user_is_out(known: Known) -> None:
    """What is remembered does not outlive its user; nor do tokens outlive their record."""
    await known.caller(authorization=RIGHT)
    known.replica.users.remove("ana")
    await known.refused(authorization=RIGHT)
    known.replica.tokens.remove(token_digest(ROBOT))
    await known.refused(x_auth_token=ROBOT)


async def test_a_user_deleted_while_the_password_is_checked(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is gone by the time that the password turns out right is refused."""

    def matches(*_: str) -> bool:
        known.replica.users.remove("ana")
        return True

    monkeypatch.setattr(subject, "password_matches", matches)
    await known.refused(authorization=RIGHT)


async def test_who_was_added_a_moment_ago(known: Known) -> None:
    """A user, or a password, that the store has and this server has not heard of yet is let in."""
    known.soon = [User("bob", "red", "reader", hash_password("b"))]
    assert await known.caller(authorization=basic("bob", "b")) == Caller("bob", "red", "reader")
    known.soon = [User("ana", "green", "member", hash_password("new"))]
    assert await known.caller(authorization=basic("ana", "new")) == ANA


async def test_the_store_is_away(known: Known) -> None:
    """Who is known is let in; of others nobody can say, which is not the same as no."""
    known.away = True
    assert await known.caller(authorization=RIGHT) == ANA
    with pytest.raises(StoreError):
        await known.caller(x_auth_token=NOBODY)
    with pytest.raises(StoreError):
        await known.caller(authorization=basic("bob", "b"))


async def test_a_flood_of_passwords(known: Known) -> None:
    """So many wait and no more; those with a token, or a password that was right before, do not wait with them."""
    await known.caller(authorization=RIGHT)
    flood = [asyncio.create_task(known.caller(authorization=basic("ana", str(at)))) for at in range(MOST_WAITING)]
    await asyncio.sleep(0)  # each has come as far as to wait
    with pytest.raises(TooManyLoginsError):
        await known.caller(authorization=basic("ana", "one more"))
    assert await known.caller(authorization=RIGHT) == ANA
    assert (await known.caller(x_auth_token=HOST)).host == "h1"
    results = await asyncio.gather(*flood, return_exceptions=True)
    assert {type(result) for result in results} == {UnauthenticatedError}
    assert await known.refused(authorization=basic("ana", "one more"))


async def test_nothing_secret_is_remembered(known: Known) -> None:
    """Neither a password nor what the header said of it can be read out of an Identity."""
    await known.caller(authorization=RIGHT)
    shown = repr(vars(known.identity))
    assert "right" not in shown
    assert RIGHT.split()[1] not in shown
