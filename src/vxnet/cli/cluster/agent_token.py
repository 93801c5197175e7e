# SPDX-License-Identifier: Apache-2.0
"""`vxnet cluster agent-token HOST`: what a host's agent shows a server."""

from __future__ import annotations

from typing import Annotated

import typer

from vxnet.cli.cluster.options import STORE, StoreUrl, change
from vxnet.cluster import accounts
from vxnet.cluster.records import Token
from vxnet.cluster.secrets import new_token, token_digest


def agent_token(
    host: Annotated[str, typer.Argument(metavar="HOST", help="The one host that the agent may speak for.")],
    revoke: Annotated[bool, typer.Option("--revoke", help="Make none, and void all that the host has.")] = False,
    store: StoreUrl = STORE,
) -> None:
    """Make a token for the agent of a host and print it. Those it has stay valid, so they can be changed in turn."""
    if revoke:
        change(store, lambda replica: accounts.revoke_host(replica, host))
        return
    accounts.check_host(host)
    text = new_token()
    token = Token(digest=token_digest(text), name=f"agent {host}", host=host)
    change(store, lambda replica: accounts.add_token(replica, token), create=True)
    print(text)
