# SPDX-License-Identifier: Apache-2.0
"""The filters at devices, which are in their clsact qdiscs: whose programs run there, and in which order."""

from __future__ import annotations

import errno
import struct
from typing import NamedTuple

from pyroute2.netlink.exceptions import NetlinkError

from vxnet.datapath.rtnetlink import NLM_F_DUMP, attributes, netlink, talk

_RTM_GETTFILTER = 46
_TCMSG = 20
_TCA_KIND = 1
_CLSACT = 0xFFFF0000
_CLSACT_INGRESS, _CLSACT_EGRESS = 0xFFFFFFF2, 0xFFFFFFF3


class Filter(NamedTuple):
    """Where a filter is in a device's clsact; ``handle`` is 0 unless it is an eBPF program's."""

    priority: int
    handle: int


def ingress(index: int) -> list[Filter]:
    """Return the filters at a device's ingress, whoever put them there, in the order they run."""
    found = []
    body = struct.pack("=BxxxiIII", 0, index, 0, _CLSACT_INGRESS, 0)
    for reply in talk(_RTM_GETTFILTER, NLM_F_DUMP, body, "reading the filters"):
        handle, _, info = struct.unpack_from("=III", reply, 8)
        values = dict(attributes(reply[_TCMSG:]))
        is_bpf = values.get(_TCA_KIND) == b"bpf\0"
        found += [Filter(info >> 16, handle if is_bpf else 0)]
    return found


def with_clsact() -> frozenset[int]:
    """Return the devices that have a clsact qdisc."""
    with netlink("reading the qdiscs") as ip:
        return frozenset(qdisc["index"] for qdisc in ip.get_qdiscs() if qdisc.get("kind") == "clsact")


def remove_empty_clsact(index: int) -> None:
    """Take away the device's clsact qdisc if no program of anybody is left on it."""
    with netlink("removing clsact") as ip:
        sides = (_CLSACT_INGRESS, _CLSACT_EGRESS)
        if any(True for side in sides for _ in ip.get_filters(index=index, parent=side)):
            return
        try:
            ip.tc("del", "clsact", index=index, parent=0xFFFFFFF1, handle=_CLSACT)
        except NetlinkError as error:
            if error.code not in {errno.ENOENT, errno.EINVAL, errno.ENODEV}:  # it is not there
                raise
