# SPDX-License-Identifier: Apache-2.0
"""Asking everybody what they hold, and comparing: `vxnet cluster check`. See check.py for what is compared with what.

    store --read--> records, claims          servers --POST /cluster/v1/audit--> their checksums, and what hosts hold

The cluster may be changing meanwhile: what differs is asked again, and counts when it still differs at the end.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import httpx
import msgspec

from vxnet.cluster import accounts
from vxnet.cluster.check import Audit, Difference, of_host, of_server, of_store
from vxnet.cluster.records import Token
from vxnet.cluster.replica import Replica
from vxnet.cluster.secrets import new_token, token_digest
from vxnet.cluster.writing import Decision, transaction
from vxnet.undecodable import UNDECODABLE

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from vxnet.cluster.messages import Held
    from vxnet.cluster.writing import Cluster

ATTEMPTS: Final = 5
"""How often to ask before a difference counts."""

PAUSE: Final = 1.0
PATIENCE: Final = 30.0
"""Seconds between attempts, and that a server has to answer: it asks its hosts, and waits for them."""


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, and what differs."""

    revision: int
    networks: int
    ports: int
    servers: tuple[str, ...]
    hosts: tuple[str, ...]
    differences: tuple[Difference, ...]


async def check(cluster: Cluster, trust: ssl.SSLContext) -> Findings:
    """Compare the store, its servers and all hosts. ``trust``: whose certificates servers may have."""
    async with _token(cluster) as token, httpx.AsyncClient(verify=trust, timeout=PATIENCE, trust_env=False) as client:
        findings = await _look(cluster, client, token)
        for _ in range(ATTEMPTS - 1):
            if not findings.differences:
                break
            await asyncio.sleep(PAUSE)
            findings = await _look(cluster, client, token)
    return findings


@asynccontextmanager
async def _token(cluster: Cluster) -> AsyncIterator[str]:
    """Be an administrator for as long as it takes: who can write the store can be.

    Each check has a token of its own: several may run, and one that was killed leaves its token, which nobody knows.
    """
    text = new_token()
    digest = token_digest(text)
    token = Token(digest=digest, name=f"check {digest}", project_id="admin", role="admin")
    await cluster.write(lambda replica: accounts.add_token(replica, token))
    try:
        yield text
    finally:
        await cluster.write(lambda replica: Decision(transaction(replica, delete=[token]), None))


async def _look(cluster: Cluster, client: httpx.AsyncClient, token: str) -> Findings:
    revision, items = await cluster.store.read()
    replica = Replica.of(revision, items)
    servers = [server.url for server in replica.servers]
    answers = await asyncio.gather(*(_ask(client, url, token) for url in servers))
    found = [*of_store(items, replica)]
    held: dict[str, Held] = {}
    for url, answer in zip(servers, answers, strict=True):
        if isinstance(answer, str):
            found.append(Difference(f"server {url}", answer))
            continue
        found += of_server(url, answer, replica)
        held |= answer.answers
    if not servers:
        found.append(Difference("servers", "none runs, so no host can be asked"))
    for agent in replica.agents if servers else ():
        if agent.host in held:
            found += of_host(agent.host, held[agent.host], replica)
        else:
            found.append(Difference(f"host {agent.host}", "its agent does not answer"))
    return Findings(
        revision=revision,
        networks=len(replica.networks),
        ports=len(replica.ports),
        servers=tuple(servers),
        hosts=tuple(sorted(held)),
        differences=tuple(sorted(found)),
    )


async def _ask(client: httpx.AsyncClient, url: str, token: str) -> Audit | str:
    """Return what a server says, or why it says nothing."""
    try:
        answer = await client.post(f"{url}/cluster/v1/audit", headers={"X-Auth-Token": token})
        if answer.is_error:
            return f"answers {answer.status_code}: {answer.text}"
        return msgspec.json.decode(answer.content, type=Audit)
    except httpx.HTTPError as error:
        return f"does not answer: {str(error) or type(error).__name__}"
    except UNDECODABLE as error:
        return f"answers something else: {error}"
