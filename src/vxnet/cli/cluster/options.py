# SPDX-License-Identifier: Apache-2.0
"""Options that the cluster's commands share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

import typer

from vxnet.cluster.opened import opened
from vxnet.cluster.records import Role
from vxnet.cluster.replica import Replica
from vxnet.cluster.writing import Decision

T = TypeVar("T")

STORE = "sqlite:///var/lib/vxnet/cluster.db"
"""Where the server keeps a cluster unless told otherwise."""

StoreUrl = Annotated[
    str,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="VXNET_STORE",
        help="Where the cluster is kept: sqlite:///PATH or etcd://HOST:PORT[,...].",
    ),
]
"""``--store URL``, or the variable ``VXNET_STORE``."""

Project = Annotated[str, typer.Option("--project", metavar="PROJECT", help="The project it belongs to: any name.")]
AnyRole = Annotated[
    Role,
    typer.Option("--role", help="admin: all projects; member: see and change the project's; reader: see them."),
]


def change(store: str, decide: Callable[[Replica], Decision[T]], *, create: bool = False) -> T:
    """Change the cluster, and return what was decided."""

    async def run() -> T:
        async with opened(store, create=create) as cluster:
            return await cluster.write(decide)

    return asyncio.run(run())


def look(store: str) -> Replica:
    """Return the cluster as it is."""

    async def run() -> Replica:
        async with opened(store) as cluster:
            return cluster.replica

    return asyncio.run(run())
