# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.cluster`: measure, print the tables, write build/bench-cluster.json and build/bench-cluster.md."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console

from bench import machine
from bench.bpf import BUILD
from bench.cluster.creating import creating
from bench.cluster.memory import memory
from bench.cluster.ping import pings
from bench.cluster.results import Report
from bench.cluster.spreading import CONCERNED, spreading
from bench.cluster.stage import STORES
from bench.cluster.table import tables
from bench.markdown import filled, markdown, measured_on, shown
from vxnet.errors import VxnetError

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS = ("creating", "ping", "spreading", "memory")
CLIENTS = (1, 8)
MARK = "bench-cluster"
"""Of the figures on a page of the documentation."""
SMALL = 100
"""Networks of the small cloud that the large one is held against."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything."""

    networks: int
    ports: int
    pinged: int
    hosts: int
    changes: int


def main(
    *,
    parts: Annotated[str, typer.Option(metavar="NAME,...", help="What to measure.")] = ",".join(PARTS),
    stores: Annotated[str, typer.Option(metavar="NAME,...", help="On which stores.")] = ",".join(STORES),
    networks: Annotated[int, typer.Option(min=SMALL, help="Networks of the large cloud.")] = 5000,
    ports: Annotated[int, typer.Option(min=1, help="Ports of the large cloud, for the memory.")] = 50_000,
    pinged: Annotated[int, typer.Option(min=1, help="Ports that are created and pinged.")] = 200,
    hosts: Annotated[int, typer.Option(min=max(CONCERNED), help="Agents that listen.")] = max(CONCERNED),
    changes: Annotated[int, typer.Option(min=1, help="Changes that spread, of each kind.")] = 100,
    page: Annotated[str, typer.Option(metavar="FILE", help="A page to put the tables into.")] = "",
) -> None:
    """What a cluster costs: requests, time to the first ping, changes that spread, memory; on this machine (root)."""
    wanted, kinds = _chosen(parts, PARTS, "--parts"), _chosen(stores, STORES, "--stores")
    sizes = Sizes(networks=networks, ports=ports, pinged=pinged, hosts=hosts, changes=changes)
    found = Report(machine=machine.this())
    console = Console(highlight=False)
    try:
        for more in _measured(wanted, kinds, sizes):
            found = _with(found, more)
            for table in tables(more):
                console.print(shown(table))
    except VxnetError as error:
        print(f"bench: {error}", file=sys.stderr)
        raise typer.Exit(1) from None
    figures = f"{measured_on(found.machine, 'make bench-cluster')}\n\n{markdown(tables(found))}\n"
    BUILD.mkdir(exist_ok=True)
    (BUILD / "bench-cluster.json").write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    (BUILD / "bench-cluster.md").write_text(figures)
    if page:
        Path(page).write_text(filled(Path(page).read_text(), figures, MARK))
    console.print("build/bench-cluster.json, build/bench-cluster.md")


def _measured(wanted: list[str], kinds: list[str], sizes: Sizes) -> Iterator[Report]:
    """Measure one thing after the other."""
    this = machine.this()
    if "creating" in wanted:
        rows = [creating(kind, clients, sizes.networks) for kind in kinds for clients in CLIENTS]
        yield Report(machine=this, creating=tuple(rows))
    if "ping" in wanted:
        yield Report(machine=this, pings=tuple(pings(kind, sizes.pinged, sizes.networks) for kind in kinds))
    if "spreading" in wanted:
        clouds = [(kind, count) for kind in kinds for count in (SMALL, sizes.networks)]
        spread = [row for kind, count in clouds for row in spreading(kind, sizes.hosts, count, sizes.changes)]
        yield Report(machine=this, spreads=tuple(spread))
    if "memory" in wanted:
        yield Report(machine=this, memory=(memory(sizes.networks, sizes.ports),))


def _with(found: Report, more: Report) -> Report:
    fields = ("creating", "pings", "spreads", "memory")
    return msgspec.structs.replace(found, **{name: getattr(found, name) + getattr(more, name) for name in fields})


def _chosen(names: str, there: tuple[str, ...], option: str) -> list[str]:
    """Return those of a list with commas between, in the order of ``there``."""
    wanted = {name.strip() for name in names.split(",")}
    for unknown in sorted(wanted - set(there)):
        raise typer.BadParameter(f"there is no {unknown!r}; there are: {', '.join(there)}", param_hint=option)
    return [name for name in there if name in wanted]


if __name__ == "__main__":
    typer.run(main)
