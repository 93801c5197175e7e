# SPDX-License-Identifier: Apache-2.0
"""`vxnet server`: a cluster's API, and what its agents follow; docs/cluster.md."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from vxnet.cli.cluster.options import STORE
from vxnet.daemon import privileges
from vxnet.server import configfile
from vxnet.server.options import Options, Tls, address, vni_ranges
from vxnet.server.service import Service
from vxnet.sources.tomlfile import FaultError

Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The options as a file; what stands here wins over it.")
]
Listen = Annotated[
    str | None, typer.Option("--listen", metavar="HOST:PORT", help="Where to listen.", show_default="127.0.0.1:9696")
]
StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="URL",
        envvar="VXNET_STORE",
        help="Where the cluster is kept: sqlite:///PATH or etcd://HOST:PORT[,...].",
        show_default=STORE,
    ),
]
VniRange = Annotated[
    list[str] | None,
    typer.Option(
        "--vni-range",
        metavar="FIRST-LAST",
        help="VNIs for networks, in order; may be given several times.",
        show_default="1-16777215",
    ),
]
TlsCert = Annotated[
    Path | None, typer.Option("--tls-cert", metavar="FILE", help="A certificate (PEM): serve HTTPS, not HTTP.")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", metavar="FILE", help="The certificate's key (PEM).")]


def server(
    config: Config = None,
    listen: Listen = None,
    store: StoreUrl = None,
    vni_range: VniRange = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
) -> None:
    """Serve the OpenStack Networking API of a cluster. Hosts go on forwarding without it."""
    defaults = Options(store=STORE)
    options = configfile.load(config, defaults) if config else defaults
    try:
        if listen is not None:
            options = msgspec.structs.replace(options, listen=address(listen, "--listen"))
        if vni_range:
            ranges = vni_ranges(tuple(vni_range), "--vni-range")
            settings = msgspec.structs.replace(options.settings, vni_ranges=ranges)
            options = msgspec.structs.replace(options, settings=settings)
    except FaultError as fault:
        raise typer.BadParameter(str(fault)) from None
    if store is not None:
        options = msgspec.structs.replace(options, store=store)
    if tls_cert and tls_key:
        options = msgspec.structs.replace(options, tls=Tls(tls_cert, tls_key))
    elif tls_cert or tls_key:
        raise typer.BadParameter("--tls-cert and --tls-key go together")
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for chatty in ("uvicorn.error", "httpx"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    service = Service(options)
    privileges.keep(())  # once it has its port and its key
    asyncio.run(service.run())
