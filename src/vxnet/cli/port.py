# SPDX-License-Identifier: Apache-2.0
"""`vxnet port`: the devices of a cluster's ports on their host; docs/agent.md.

plug      make one: for a namespace or for a VM, and wait until the port forwards
unplug    take it away
list      which ports are bound to this host, and which of them forward
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from vxnet.cli.options import RUN_DIR, Json, RunDir
from vxnet.cli.output import columns, print_json, print_lines
from vxnet.daemon.control import Details, Last, ListPorts, LookUp, NotRunningError, Ports, ask
from vxnet.datapath import plugging
from vxnet.datapath.kernel import require_root
from vxnet.errors import ControlError, HostError
from vxnet.sources.cluster.desired import ALIAS

PATIENCE = 10.0
"""Seconds that a port may take to forward once its device is there."""

app = typer.Typer(help="Devices for the ports of a cluster that are bound to this host.", no_args_is_help=True)

Asked = Annotated[str, typer.Argument(metavar="PORT", help="The port's id, the beginning of it, or its name.")]


@app.command()
def plug(
    port: Asked,
    netns: Annotated[
        str | None, typer.Option(metavar="NAME", help="Make a device in this network namespace (a name, or a path).")
    ] = None,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="What the device is called there.")] = "eth0",
    tap: Annotated[str | None, typer.Option(metavar="NAME", help="Make a TAP of this name, for a VM.")] = None,
    run_dir: RunDir = RUN_DIR,
    as_json: Json = False,
) -> None:
    """Make the device of a port, and wait until the port forwards."""
    require_root()
    if (netns is None) == (tap is None):
        raise typer.BadParameter("give either --netns NAME or --tap NAME")
    found = _look_up(run_dir, port)
    alias = f"{ALIAS}{found.id}"
    if holder := plugging.plugged(alias).get(alias):
        raise HostError(f"port {port} is plugged already, at device {holder}; `vxnet port unplug {found.id}`")
    machine = plugging.Machine(
        mac=found.mac, mtu=found.mtu, addresses=found.addresses, gateways=found.gateways, routes=found.routes
    )
    if netns is not None:
        made = found.device
        plugging.plug_namespace(made, alias, netns, device, machine)
    else:
        made = str(tap)
        plugging.plug_tap(made, alias, machine)
    found = _wait(run_dir, found.id, made)
    if as_json:
        print_json(found)
    else:
        print_lines([" ".join(("port", found.id, "device", made, "mac", found.mac, *found.addresses))])


@app.command()
def unplug(port: Asked, run_dir: RunDir = RUN_DIR) -> None:
    """Take the device of a port away; the port stays, and is DOWN. One that has no device is no error."""
    require_root()
    # A device outlives what the agent knows of its port: that may be at another host by now, or nowhere.
    left = plugging.plugged(f"{ALIAS}{port}")
    if len(left) > 1:
        which = ", ".join(alias.removeprefix(ALIAS) for alias in sorted(left))
        raise HostError(f"port {port}: more than one of this host begins so: {which}")
    if not left:
        alias = f"{ALIAS}{_look_up(run_dir, port).id}"
        left = plugging.plugged(alias)
    for device in left.values():
        plugging.unplug(device)


@app.command("list")
def list_(run_dir: RunDir = RUN_DIR, as_json: Json = False) -> None:
    """List the ports bound to this host."""
    answer = _ask(run_dir, ListPorts())
    ports = answer.ports if isinstance(answer, Ports) else ()
    if as_json:
        print_json(ports)
        return
    head = ("PORT", "NAME", "NETWORK", "MAC", "ADDRESSES", "DEVICE", "STATE")
    print_lines(columns([head, *map(_row, ports)]))


def _row(port: Details) -> tuple[str, ...]:
    state = f"waits: {port.waits_for}" if port.waits_for else "forwards"
    return port.id, port.name, port.network, port.mac, " ".join(port.addresses), port.device, state


def _ask(run_dir: Path, request: LookUp | ListPorts) -> Last:
    try:
        return ask(run_dir, request)
    except NotRunningError as error:
        raise ControlError(f"no vxnet agent runs at {run_dir}; start it, or give its --run-dir") from error


def _look_up(run_dir: Path, port: str) -> Details:
    answer = _ask(run_dir, LookUp(port))
    if not isinstance(answer, Details):
        raise ControlError(f"vxnetd of {run_dir} is of another version; end it, which takes nothing away")
    return answer


def _wait(run_dir: Path, port: str, device: str) -> Details:
    """Wait until the port forwards. What waits is said, and the device stays: the agent goes on trying."""
    deadline = time.monotonic() + PATIENCE
    while (found := _look_up(run_dir, port)).waits_for:
        if time.monotonic() > deadline:
            raise HostError(f"device {device} is there, but port {port} does not forward yet: {found.waits_for}")
        time.sleep(0.005)
    return found
