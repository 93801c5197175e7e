# SPDX-License-Identifier: Apache-2.0
"""The figures of a run, as they are written to build/bench-scale.json. Seconds, bytes, packets a second."""

from __future__ import annotations

import msgspec

from bench.machine import Machine


class Networks(msgspec.Struct, frozen=True, kw_only=True):
    """So many of them on one host: vxnet's segments, or Linux's pairs of a bridge and a VXLAN device.

    ``made``: until all are there; of vxnet by `vxnet up FILE`, with reading and checking the file. ``told``: of that,
    from when the daemon was told; Linux has no such thing. ``changed``: the ageing of one becomes another one, told to
    the daemon; ``changed_file``: by `vxnet up FILE`. ``kernel`` is what the kernel's memory has grown by, ``daemon``
    the daemon's PSS. ``packets``: small packets a second in one of them, medians; ``packets_alone`` on a host with one,
    in turns with those.
    """

    way: str
    count: int
    made: float
    told: float | None
    changed: float
    changed_file: float | None
    kernel: int
    daemon: int
    packets: float
    packets_alone: float


class Fdb(msgspec.Struct, frozen=True, kw_only=True):
    """An FDB with so many learned entries.

    ``learned``: seconds of frames from as many sources until all were there. ``found``: small packets a second to 65536
    of them in turn, which no cache of flows holds; ``sweep`` and ``dump``: seconds to look for aged ones, and of
    `vxnet fdb --json`.
    """

    entries: int
    learned: float
    found: float
    sweep: float
    dump: float


class Remotes(msgspec.Struct, frozen=True, kw_only=True):
    """A segment with so many remotes.

    ``made`` and ``changed``: seconds until the daemon has all, and until it has one other; ``copies``: a second, of
    broadcasts.
    """

    remotes: int
    made: float
    changed: float
    copies: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of a run."""

    machine: Machine
    networks: tuple[Networks, ...] = ()
    fdb: tuple[Fdb, ...] = ()
    remotes: tuple[Remotes, ...] = ()
