# SPDX-License-Identifier: Apache-2.0
"""`vxnet show [SEGMENT]`: this host at a glance, in the form of `wg show`. What is absent or the default is left out.

    vtep: 192.168.146.131
      dstport: 4789
      underlay: eth0, mtu 1500

    segment: blue
      vni: 5001
      port: tap-a, 1 MAC, 1.21 MiB received, 3 KiB sent
      remote: 192.168.146.136, up for 2 hours, 1 MAC, 1 minute, 3 seconds ago
      underlay: 3 KiB received, 1.21 MiB sent

Received and sent are this host's: received from the machine at the port, from the hosts on the underlay.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from vxnet.cli.options import RUN_DIR, Json, OneSegment, RunDir
from vxnet.cli.output import bold, coloured, print_json, print_lines
from vxnet.cli.words import ago, count, size, span
from vxnet.daemon.control import Remote, Running, Waiting, status
from vxnet.daemon.rundir import served
from vxnet.datapath.report import (
    BridgeRow,
    Overview,
    PortRow,
    RemoteRow,
    SegmentRow,
    Traffic,
    TunnelRow,
    overview,
)
from vxnet.errors import HostError
from vxnet.model import AGEING, MAXADDRESS, VXLAN_PORT, Vlans
from vxnet.packet import ethernet, vxlan


def show(
    segment: OneSegment = None,
    run_dir: RunDir = RUN_DIR,
    as_json: Json = False,
) -> None:
    """Show the VTEP, and each segment with its ports, remotes, traffic and age."""
    daemon = status(run_dir) or served(run_dir)
    try:
        view = overview(run_dir)
    except HostError as error:
        if daemon and daemon.trouble:
            raise HostError(f"{error}; vxnetd runs and tries: {daemon.trouble}") from error
        raise
    if segment is not None:
        view = only(view, segment)
    if as_json:
        print_json(record(view, daemon))
    else:
        print_lines(lines(view, daemon))


def only(view: Overview, segment: str) -> Overview:
    """Return the view without other segments. HostError if there is none of that name."""
    kept = tuple(row for row in view.segments if row.name == segment)
    if not kept:
        have = ", ".join(sorted(row.name for row in view.segments)) or "none"
        raise HostError(f"segment {segment} does not exist on this host; it has: {have}")
    return msgspec.structs.replace(view, segments=kept)


def record(view: Overview, daemon: Running | None) -> dict[str, object]:
    """Return everything for JSON; ``daemon`` is null if none runs."""
    return msgspec.structs.asdict(view) | {"daemon": msgspec.structs.asdict(daemon) if daemon else None}


def lines(view: Overview, daemon: Running | None) -> Iterator[str]:
    """Yield the VTEP's block and each segment's, with empty lines between."""
    if view.local:
        yield _title("vtep", str(view.local), "green")
    else:
        yield _title("switch", count(len(view.bridges), "bridge"), "green")
    yield from _vtep(view)
    yield from _daemon(daemon)
    watched = {remote.address: remote for remote in daemon.remotes} if daemon else {}
    for segment in view.segments:
        yield ""
        yield _title("segment", segment.name, "yellow")
        yield from _segment(segment, [port for port in _waiting(daemon) if port.segment == segment.name], watched)
    for bridge in view.bridges:
        yield ""
        yield _title("bridge", bridge.name, "yellow")
        yield from _bridge(bridge)


def _vtep(view: Overview) -> Iterator[str]:
    if view.local6:
        yield _field("local6", str(view.local6))
    if view.dstport:
        yield _field("dstport", str(view.dstport))
    if view.underlay:
        yield _field("underlay", f"{view.underlay}, mtu {view.mtu}")
    if view.mtu:
        # Below the underlay's by the outer headers and the inner Ethernet header (RFC 7348, section 5).
        most = max(vxlan.overhead(address) for address in (view.local, view.local6) if address)
        yield _field("mtu for tenants", str(view.mtu - most - ethernet.HEADER_LENGTH))
    if dropped := [f"{number} {reason}" for reason, number in view.drops.items() if number]:
        yield _field("drops", ", ".join(dropped))
    for fault in view.faults:
        yield _field("fault", coloured(f"{fault.kind} {fault.name}: {fault.fault}", "red"))


def _daemon(daemon: Running | None) -> Iterator[str]:
    if daemon is None:
        yield _field("daemon", coloured("not running", "yellow"))
    elif daemon.trouble:
        yield _field("fault", coloured(daemon.trouble, "red"))


def _waiting(daemon: Running | None) -> tuple[Waiting, ...]:
    return daemon.waiting if daemon else ()


def _segment(segment: SegmentRow, waiting: Iterable[Waiting], watched: Mapping[str, Remote]) -> Iterator[str]:
    yield _field("vni", str(segment.vni))
    if segment.group:
        yield _field("group", str(segment.group))
    if segment.ageing != AGEING:
        yield _field("ageing", span(segment.ageing) if segment.ageing else "never")
    if not segment.learning:
        yield _field("learning", "off")
    if segment.maxaddress != MAXADDRESS:
        yield _field("maxaddress", str(segment.maxaddress))
    if limits := list(_storm_control(segment)):
        yield _field("storm control", ", ".join(limits))
    for port in segment.ports:
        yield _field("port", ", ".join(_port(port)))
    for absent in waiting:
        yield _field("port", coloured(f"{absent.device}, not attached yet: {absent.reason}", "yellow"))
    for remote in segment.remotes:
        words = _remote(remote, watched.get(str(remote.address)), of_group=segment.group is not None)
        yield _field("remote", ", ".join(words))
    if transfer := list(_transfer(segment.traffic)):
        yield _field("underlay", ", ".join(transfer))


def _storm_control(segment: SegmentRow) -> Iterator[str]:
    if segment.storm_control:
        yield f"{segment.storm_control} frames/s from each"
    if segment.storm_control_total:
        yield f"{segment.storm_control_total} frames/s from all"


def _bridge(bridge: BridgeRow) -> Iterator[str]:
    if bridge.ageing != AGEING:
        yield _field("ageing", span(bridge.ageing))
    for port in bridge.ports:
        yield _field("port", ", ".join(_port(port)))
    for row in bridge.tunnels:
        yield _field("tunnel", ", ".join(_tunnel(row)))


def _tunnel(row: TunnelRow) -> Iterator[str]:
    tunnel = row.tunnel
    yield tunnel.name
    yield f"remote {tunnel.remote or 'any'}"
    yield "any vni" if tunnel.vni is None else f"vni {tunnel.vni}"
    if tunnel.dstport != VXLAN_PORT:
        yield f"dstport {tunnel.dstport}"
    yield from _vlans(tunnel.vlans)
    if row.macs:
        yield count(row.macs, "MAC")
    yield from _transfer(row.traffic)


def _vlans(vlans: Vlans) -> Iterator[str]:
    if vlans.mode != "trunk":
        yield f"{vlans.mode} vlan {vlans.tag}"
    if vlans.trunks:
        yield f"trunks {','.join(map(str, vlans.trunks))}"


def _port(port: PortRow) -> Iterator[str]:
    yield port.device
    if port.loop:
        yield coloured("cut off: it is in a loop", "red")
    yield from _vlans(port.vlans)
    if port.macs:
        yield count(port.macs, "MAC")
    yield from _transfer(port.traffic)


def _remote(remote: RemoteRow, watched: Remote | None, *, of_group: bool) -> Iterator[str]:
    yield str(remote.address)
    if watched:
        yield _liveness(watched)
    if remote.dead:
        yield "left out of flooding"
    elif not remote.flood and not of_group:
        yield "known unicast only"
    if remote.macs:
        yield count(remote.macs, "MAC")
    if remote.age is not None:
        yield ago(remote.age)


def _liveness(remote: Remote) -> str:
    by = " by probe" if remote.by == "probe" else ""
    if remote.state == "up":
        return f"up for {span(remote.seconds)}{by}"
    if remote.dead:
        return coloured(f"dead for {span(remote.seconds)}{by}", "red")
    if by:
        return coloured("no answer to probes", "yellow")
    if remote.remote_state == "admin-down":
        return "its BFD is closed"
    return coloured("no BFD heard" if remote.received == 0 else f"BFD {remote.state}", "yellow")


def _transfer(traffic: Traffic) -> Iterator[str]:
    if traffic.rx_bytes or traffic.tx_bytes:
        yield f"{size(traffic.rx_bytes)} received"
        yield f"{size(traffic.tx_bytes)} sent"
    if traffic.unlearned:
        yield coloured(f"{traffic.unlearned} source MACs not learned", "yellow")
    if traffic.suppressed:
        yield coloured(f"{traffic.suppressed} frames suppressed as a storm", "yellow")


def _title(kind: str, name: str, colour: str) -> str:
    return f"{bold(kind, colour)}: {coloured(name, colour)}"


def _field(key: str, value: str) -> str:
    return f"  {bold(key)}: {value}"
