# SPDX-License-Identifier: Apache-2.0
"""`vxnet lab up|down|exec|list TOPOLOGY.toml`: hosts, VMs, routers and links on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from vxnet.cli.options import Json
from vxnet.cli.output import columns, print_json, print_lines
from vxnet.errors import HostError
from vxnet.lab.lab import Lab
from vxnet.lab.netns import exists, require_root
from vxnet.lab.node import Node
from vxnet.lab.topology import Switch, Vm, mac_of

app = typer.Typer(
    name="lab",
    help="Hosts, VMs, routers and links on this machine, out of network namespaces.",
    no_args_is_help=True,
)

TopologyFile = Annotated[Path, typer.Argument(metavar="TOPOLOGY.toml", help="The file that describes the lab.")]
Echo = Annotated[bool, typer.Option("--echo", "-e", help="Print each command as one would type it.")]

COLUMNS = ("name", "role", "up", "addresses", "gateway", "host", "device", "namespace")


@app.command()
def up(topology: TopologyFile, echo: Echo = False) -> None:
    """Build the lab: all of it, or nothing if something fails."""
    lab = Lab.load(topology, echo=print if echo else None)
    if echo or not sys.stderr.isatty():
        lab.up()
    else:
        _up_with_progress(lab)


@app.command()
def down(topology: TopologyFile, echo: Echo = False) -> None:
    """End everything that runs in the lab and remove it, also one that is half built or gone already."""
    Lab.load(topology, echo=print if echo else None).down()


@app.command(
    "exec",
    context_settings={"allow_interspersed_args": False},  # options after NODE are the command's
)
def exec_(
    topology: TopologyFile,
    node: Annotated[str, typer.Argument(metavar="NODE", help="A host, VM, router or switch of the lab.")],
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND", help="What to run there.")],
) -> None:
    """Run a command in a node: as `vxnet lab exec two-hosts.lab.toml a -- ping 10.0.0.2`.

    The command takes this one's place: terminal, signals and exit code are its own.
    """
    words = command[1:] if command[0] == "--" else command
    if not words:
        raise HostError(f"what to run in {node}? vxnet lab exec {topology} {node} -- COMMAND...")
    require_root()
    place = Lab.load(topology)[node]
    if not exists(place.namespace):
        raise HostError(f"{node} is not up; build the lab: vxnet lab up {topology}")
    with place.enter():
        sys.stdout.flush()
        try:
            os.execvp(words[0], words)  # noqa: S606 - to run a command is what was asked for
        except OSError as error:
            raise HostError(f"{node}: cannot run {words[0]}: {error.strerror}") from None


@app.command("list")
def list_(topology: TopologyFile, as_json: Json = False) -> None:
    """Show the nodes of the lab: role, addresses, and whether they are up."""
    rows = [_row(node) for node in Lab.load(topology)]
    if as_json:
        print_json(rows)
    else:
        print_lines(
            columns([[name.upper() for name in COLUMNS], *([_cell(row[name]) for name in COLUMNS] for row in rows)])
        )


def _row(node: Node) -> dict[str, str | bool | list[str]]:
    """One node as a JSON row; what its role does not have is empty."""
    spec = node.spec
    vm = spec if isinstance(spec, Vm) else None
    return {
        "name": node.name,
        "role": node.role,
        "up": exists(node.namespace),
        "addresses": [] if isinstance(spec, Switch) else list(spec.address),
        "gateway": "" if isinstance(spec, Switch) else spec.gateway,
        "host": vm.host if vm else "",
        "device": node.device if vm else "",
        "mac": mac_of(vm) if vm else "",
        "namespace": node.namespace,
    }


def _cell(value: str | bool | list[str]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (value if isinstance(value, str) else ",".join(value)) or "-"


def _up_with_progress(lab: Lab) -> None:
    # Only here: most commands have nothing to draw, and starting quickly matters more.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"lab {lab.name}", total=None)
        lab.up(lambda done, total: bar.update(task, completed=done, total=total))
