# SPDX-License-Identifier: Apache-2.0
"""Where programs and devices meet: attaching, replacing, detaching and recognising them at a device's ingress.

    Linux 6.6 and newer    tcx       a list of programs at the device itself: less to do for each packet
    older                  clsact    a qdisc, and a filter in it for each program

Either way a program stays until its device goes or it is taken away, needs nobody to hold it, is replaced in one step,
and comes after the programs of others that were there before: those see the packets first.

**Whose a program is, its maps tell.** All programs of an instance (one daemon, one run directory) use that instance's
map `state`, whose id is the instance's. So any number of them share a device, and nobody takes a number for himself.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from vxnet.datapath import filters
from vxnet.datapath.libbpf import clsact, objects, tcx
from vxnet.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vxnet.datapath.filters import Filter
    from vxnet.datapath.libbpf.objects import Program

_HANDLE = 1
_PRIORITIES = range(49153, 65536)
"""Filters without a priority of their own get 49152 or less from tc: they come before ours."""

_ANY_DEVICE = 1


class Attached(NamedTuple):
    """A program at a device's ingress, by tcx or, if it is in a filter, by clsact."""

    ifindex: int
    program: Program
    filter: Filter | None

    def of(self, instance: int) -> bool:
        """Tell whether it is a program of this instance."""
        return instance in self.program.map_ids


@cache
def has_tcx() -> bool:
    """Tell whether this kernel has tcx."""
    return tcx.query(_ANY_DEVICE) is not None


def programs(ifindex: int) -> Iterator[Attached]:
    """Every eBPF program at a device's ingress, whoever put it there, in the order they run."""
    yield from _tcx_programs(ifindex)
    yield from _clsact_programs(ifindex)


def programs_of_all(present: Iterable[int]) -> Iterator[Attached]:
    """Every eBPF program at the ingress of these devices."""
    filtered = filters.with_clsact()
    for ifindex in present:
        yield from _tcx_programs(ifindex)
        if ifindex in filtered:
            yield from _clsact_programs(ifindex)


def _tcx_programs(ifindex: int) -> Iterator[Attached]:
    for prog_id in tcx.query(ifindex) or () if has_tcx() else ():
        if program := objects.program_by_id(prog_id):
            yield Attached(ifindex, program, None)


def _clsact_programs(ifindex: int) -> Iterator[Attached]:
    for place in filters.ingress(ifindex):
        prog_id = clsact.query(ifindex, place.handle, place.priority) if place.handle else None
        if prog_id and (program := objects.program_by_id(prog_id)):
            yield Attached(ifindex, program, place)


def is_attached(ifindex: int, name: str, instance: int) -> bool:
    """Tell whether the instance's program of this name is at the device's ingress."""
    return any(found.of(instance) and found.program.name == name for found in programs(ifindex))


def attach(ifindex: int, prog_fd: int, instance: int, *, quickly: bool = False) -> None:
    """Put a program at the device's ingress, in the place of the instance's other one if it has one there.

    ``quickly``: as a filter on any kernel. That takes 1 ms where tcx waits 14 for all CPUs (an RCU grace period, with
    every other change of devices held up), and is for devices that are made by the hundred.
    """
    there = [found for found in programs(ifindex) if found.of(instance)]
    if has_tcx() and not quickly:
        _attach_tcx(ifindex, prog_fd, next((found.program.id for found in there if not found.filter), None))
        # An older vxnet, which knew nothing but clsact, may have been here. The qdisc stays until the program goes: to
        # take it away stops the device for a moment, and packets are lost.
        for found in there:
            if found.filter:
                _remove(found)
    elif place := next((found.filter for found in there if found.filter), None):
        clsact.attach(ifindex, prog_fd, place.handle, place.priority, replace=True)
    else:
        while not clsact.attach(ifindex, prog_fd, _HANDLE, _free_priority(ifindex), replace=False):
            pass  # somebody else was faster


def replace(found: Attached, prog_fd: int) -> None:
    """Put a program in the place of one that is attached, in one step."""
    if found.filter is None:
        tcx.attach(found.ifindex, prog_fd, found.program.id)
    else:
        clsact.attach(found.ifindex, prog_fd, found.filter.handle, found.filter.priority, replace=True)


def _attach_tcx(ifindex: int, prog_fd: int, replaced: int | None) -> None:
    if replaced != objects.program(prog_fd).id:  # which the kernel would refuse to attach once more
        tcx.attach(ifindex, prog_fd, replaced)


def _free_priority(ifindex: int) -> int:
    taken = {place.priority for place in filters.ingress(ifindex)}
    for priority in _PRIORITIES:
        if priority not in taken:
            return priority
    message = f"attaching a program to device {ifindex}: all priorities from {_PRIORITIES.start} on are taken"
    raise KernelError(message)


def detach(ifindex: int, instance: int) -> None:
    """Take the instance's program off the device, and nothing else; none there, or no device, is fine."""
    for found in list(programs(ifindex)):
        if found.of(instance):
            remove(found)


def remove(found: Attached) -> None:
    """Take a program off its device, and the clsact qdisc too if nothing is in it."""
    _remove(found)
    filters.remove_empty_clsact(found.ifindex)


def _remove(found: Attached) -> None:
    if found.filter is None:
        tcx.detach(found.ifindex, found.program.id)
    else:
        clsact.detach(found.ifindex, found.filter.handle, found.filter.priority)
