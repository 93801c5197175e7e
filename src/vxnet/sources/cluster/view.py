# SPDX-License-Identifier: Apache-2.0
"""What this host was told so far: every message puts one thing in the place of what was said of it before."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import msgspec

from vxnet.cluster.messages import (
    Audit,
    LocalPort,
    PortGone,
    PortPut,
    Segment,
    SegmentGone,
    SegmentPut,
    Snapshot,
    Tick,
)
from vxnet.sources.cluster.sound import fault_of_port, fault_of_segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.cluster.messages import Message, Port

log = logging.getLogger("vxnet-agent")


class View:
    """The segments of this host. ``revision`` is up to where all was told; 0: nothing was said yet."""

    def __init__(self) -> None:
        self.incarnation = ""
        self.revision = 0
        self._segments: dict[str, Segment] = {}
        self._ports: dict[str, dict[str, Port]] = {}

    def apply(self, message: Message) -> bool:
        """Take a message. Return whether the host may have to be another one now."""
        match message:
            case Audit():
                return False
            case Tick(revision):
                self.revision = revision
                return False
            case Snapshot(incarnation, revision, segments):
                self.incarnation, self.revision = incarnation, revision
                self._segments, self._ports = {}, {}
                for segment in segments:
                    self._put(segment)
            case _:
                self._change(message)
                # More of the same revision may follow; all of the one before is here.
                self.revision = max(self.revision, message.revision - 1)
        return True

    def _change(self, message: SegmentPut | SegmentGone | PortPut | PortGone) -> None:
        match message:
            case SegmentPut(_, segment):
                self._put(segment)
            case SegmentGone(_, name):
                self._segments.pop(name, None)
                self._ports.pop(name, None)
            case PortPut(_, name, port):
                self._place(name, port)
            case PortGone(_, name, port_id):
                self._ports.get(name, {}).pop(port_id, None)

    def _put(self, segment: Segment) -> None:
        self._ports[segment.id] = {}
        if fault := fault_of_segment(segment):
            log.warning("segment %s is left out: %s", segment.id, fault)
            self._segments.pop(segment.id, None)
            return
        self._segments[segment.id] = msgspec.structs.replace(segment, ports=())
        for port in segment.ports:
            self._place(segment.id, port)

    def _place(self, segment: str, port: Port) -> None:
        ports = self._ports.setdefault(segment, {})
        if fault := fault_of_port(port):
            log.warning("port %s is left out: %s", port.id, fault)
            ports.pop(port.id, None)
            return
        ports[port.id] = port

    def segments(self) -> Iterator[Segment]:
        """Yield every segment with all its ports, by their ids."""
        for name, segment in sorted(self._segments.items()):
            ports = tuple(port for _, port in sorted(self._ports[name].items()))
            yield msgspec.structs.replace(segment, ports=ports)

    def local_ports(self) -> Iterator[tuple[Segment, LocalPort]]:
        """Yield the ports bound to this host, each with its segment, whose own ports are left out."""
        for name, segment in self._segments.items():
            for port in self._ports[name].values():
                if isinstance(port, LocalPort):
                    yield segment, port
