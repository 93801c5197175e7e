# SPDX-License-Identifier: Apache-2.0
"""`vxnet cluster check`: whether the store, the servers and the kernels of all hosts hold the same.

3 networks, 12 ports; 2 servers, 3 hosts: all hold the same
host h2: segment 5d8e...: fdb: fa:16:3e:9c:01:7f at 192.168.146.131 is missing
1 difference                                                                        exit code 1
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Annotated

import typer

from vxnet.cli.cluster.options import STORE, StoreUrl
from vxnet.cli.options import Json
from vxnet.cli.output import coloured, print_json, print_lines
from vxnet.cli.words import count
from vxnet.cluster.checking import Findings
from vxnet.cluster.checking import check as compare
from vxnet.cluster.opened import opened


def check(
    store: StoreUrl = STORE,
    ca_file: Annotated[
        Path | None, typer.Option(metavar="F", help="What servers' certificates are signed by; else the system's.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the store, its servers and what each host's kernel really holds. Exit code 1 if they differ."""

    async def run() -> Findings:
        async with opened(store) as cluster:
            return await compare(cluster, ssl.create_default_context(cafile=str(ca_file) if ca_file else None))

    found = asyncio.run(run())
    if as_json:
        print_json(found)
    else:
        print_lines(lines(found))
    if found.differences:
        raise typer.Exit(1)


def lines(found: Findings) -> list[str]:
    """Return what is said of it."""
    seen = f"{count(found.networks, 'network')}, {count(found.ports, 'port')}"
    by = f"{count(len(found.servers), 'server')}, {count(len(found.hosts), 'host')}"
    if not found.differences:
        return [f"{seen}; {by}: all hold the same"]
    told = [f"{coloured(difference.where, 'red')}: {difference.what}" for difference in found.differences]
    return [*told, f"{seen}; {by}: {count(len(found.differences), 'difference')}"]
