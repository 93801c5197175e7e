# SPDX-License-Identifier: Apache-2.0
"""`vxnet stats`: packets and bytes per port and segment, and drops by reason.

All counts are of tenants' frames, without outer headers, since `vxnet up`. rx is what came into the segment from that
port, or from the underlay; tx is what went out of it there: as `ip -s link show` counts at the port's device. Of
BFD and probes the packets are counted that the daemon has sent and received which runs now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from vxnet.cli.options import RUN_DIR, Json, RunDir
from vxnet.cli.output import bold, coloured, columns, print_json, print_lines
from vxnet.daemon.control import Remote, status
from vxnet.datapath.report import Overview, PortRow, Traffic, overview
from vxnet.drops import DROP_REASONS

_UNDERLAY = "(underlay)"
_HEAD = ("SEGMENT", "PORT", "RX PACKETS", "RX BYTES", "TX PACKETS", "TX BYTES")


def stats(run_dir: RunDir = RUN_DIR, as_json: Json = False) -> None:
    """Show packets and bytes per port and segment, and how many frames were dropped for which reason."""
    view = overview(run_dir)
    daemon = status(run_dir)
    remotes = daemon.remotes if daemon else ()
    if as_json:
        print_json(record(view) | {"remotes": remotes})
    else:
        print_lines([*table(view), *watched(remotes), "", *drops(view.drops)])


def table(view: Overview) -> Iterator[str]:
    """Yield a row for each port, and one for what each segment exchanged with the underlay."""
    rows: list[tuple[str | int, ...]] = [_HEAD]
    for segment in view.segments:
        rows += [(segment.name, port.device, *_cells(port.traffic)) for port in segment.ports]
        rows.append((segment.name, _UNDERLAY, *_cells(segment.traffic)))
    for bridge in view.bridges:
        rows += [(bridge.name, port.device, *_cells(port.traffic)) for port in bridge.ports]
        rows += [(bridge.name, row.tunnel.name, *_cells(row.traffic)) for row in bridge.tunnels]
    head, *lines = columns(rows)
    yield bold(head)
    yield from lines
    for port in _ports(view):
        if port.traffic.unlearned:
            yield coloured(f"{port.device}: {port.traffic.unlearned} source MACs not learned", "yellow")
        if port.traffic.suppressed:
            yield coloured(f"{port.device}: {port.traffic.suppressed} frames suppressed as a storm", "yellow")


def watched(remotes: Sequence[Remote]) -> Iterator[str]:
    """Yield a row for each remote that is watched, by BFD or a probe: packets, and how often it went down."""
    rows = [(r.address, r.by, r.state, r.received, r.discarded, r.sent, r.downs) for r in remotes]
    if rows:
        yield ""
        yield from columns([("REMOTE", "BY", "STATE", "RX PACKETS", "DISCARDED", "TX PACKETS", "DOWNS"), *rows])


def drops(numbers: Mapping[str, int]) -> Iterator[str]:
    """Yield a line for each reason that there was: how often, its name, and what happened."""
    rows = [(numbers[reason.name], reason.name, reason.text) for reason in DROP_REASONS if numbers.get(reason.name)]
    if not rows:
        yield "no drops"
        return
    yield from columns([("DROPS", "REASON", "WHAT HAPPENED"), *rows])


def record(view: Overview) -> dict[str, object]:
    """Return everything for JSON; ``drops`` has every reason there is, also those with zero."""
    return {
        "ports": [
            {"device": port.device, "segment": port.segment, **msgspec.structs.asdict(port.traffic)}
            for port in _ports(view)
        ],
        "tunnels": [
            {"name": row.tunnel.name, "bridge": row.tunnel.bridge, **msgspec.structs.asdict(row.traffic)}
            for bridge in view.bridges
            for row in bridge.tunnels
        ],
        "segments": [
            {"name": segment.name, "vni": segment.vni, **msgspec.structs.asdict(segment.traffic)}
            for segment in view.segments
        ],
        "drops": view.drops,
    }


def _ports(view: Overview) -> Iterator[PortRow]:
    for segment in view.segments:
        yield from segment.ports
    for bridge in view.bridges:
        yield from bridge.ports


def _cells(traffic: Traffic) -> tuple[int, int, int, int]:
    return traffic.rx_packets, traffic.rx_bytes, traffic.tx_packets, traffic.tx_bytes
