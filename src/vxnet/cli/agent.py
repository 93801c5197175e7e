# SPDX-License-Identifier: Apache-2.0
"""`vxnet agent`: keep this host as the servers of a cluster say; docs/agent.md."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vxnet.cli.options import RUN_DIR, RunDir
from vxnet.cluster.accounts import HOST_NAME
from vxnet.daemon import privileges, rundir
from vxnet.daemon.agent.service import Service
from vxnet.daemon.echo import Echo
from vxnet.datapath.kernel import require_root
from vxnet.model import Probe
from vxnet.sources.cluster.desired import Settings
from vxnet.sources.cluster.stream import Servers
from vxnet.sources.values import INTERVAL_MAX, INTERVAL_MIN, STORM_CONTROL_MAX, vtep_address
from vxnet.urls import without_password

if TYPE_CHECKING:
    from vxnet.model import IPAddress

_URL = re.compile(r"https?://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?/?")
_MOST_PORT = 65535


def agent(
    server: Annotated[
        str, typer.Option(metavar="URL[,URL]", envvar="VXNET_SERVER", help="The servers, as http(s)://HOST:PORT.")
    ],
    host: Annotated[str, typer.Option(metavar="NAME", help="This host's name in the cluster: ports' binding:host_id.")],
    local: Annotated[str, typer.Option(metavar="ADDRESS", help="This host's address on the underlay: its VTEP.")],
    token_file: Annotated[
        Path | None, typer.Option(metavar="F", help="The file with this host's token, of `vxnet cluster agent-token`.")
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(metavar="F", help="Certificates that servers' are signed by; the system's unless given."),
    ] = None,
    storm_control: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            max=STORM_CONTROL_MAX,
            help="BUM frames a second from one port or remote; 0: any number.",
        ),
    ] = 0,
    storm_control_total: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=STORM_CONTROL_MAX, help="The same of all ports and remotes of a segment together."
        ),
    ] = 0,
    probe: Annotated[
        int,
        typer.Option(
            metavar="MS",
            min=0,
            max=INTERVAL_MAX,
            help=f"Milliseconds from one probe of a remote to the next, {INTERVAL_MIN} at least; 0: none.",
        ),
    ] = 0,
    flood_to_dead: Annotated[
        bool, typer.Option(help="Whether BUM goes to remotes that --probe has found dead, too.")
    ] = True,
    run_dir: RunDir = RUN_DIR,
) -> None:
    """Keep this network namespace as the servers of a cluster say. The kernel forwards without this daemon."""
    require_root()
    urls = _urls(server)
    if not HOST_NAME.fullmatch(host):
        raise typer.BadParameter(f"{host!r} is no name of a host", param_hint="--host")
    address = _address(local)
    settings = Settings(
        storm_control=storm_control,
        storm_control_total=storm_control_total,
        probe=_probe(probe, flood_to_dead=flood_to_dead),
        flood_to_dead=flood_to_dead,
    )
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    rundir.make(run_dir)
    echo = Echo.open()  # while it may
    privileges.keep(privileges.NETWORK)
    # Made outside the loop: adopting what is there asks netlink, which must not be inside one.
    service = Service(Servers(urls, host, token_file, ca_file), host, address, run_dir, echo=echo, settings=settings)
    asyncio.run(service.run())


def _urls(text: str) -> list[str]:
    urls = [url for url in text.split(",") if url]
    for url in urls or [""]:
        found = _URL.fullmatch(url)
        if not found or int(found[1] or 80) > _MOST_PORT:
            raise typer.BadParameter(
                f"{without_password(url)!r} is not of the form http://HOST:PORT", param_hint="--server"
            )
    return [url.rstrip("/") for url in urls]


def _probe(interval: int, *, flood_to_dead: bool) -> Probe | None:
    if interval == 0:
        if not flood_to_dead:
            raise typer.BadParameter(
                "nothing finds out who is dead; give --probe, too", param_hint="--no-flood-to-dead"
            )
        return None
    if interval < INTERVAL_MIN:
        raise typer.BadParameter(f"{interval} is less than {INTERVAL_MIN}", param_hint="--probe")
    return Probe(interval=interval)


def _address(text: str) -> IPAddress:
    try:
        address = ip_address(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} is not an IP address", param_hint="--local") from error
    if what := vtep_address(address):
        raise typer.BadParameter(f"{text} {what}", param_hint="--local")
    return address
