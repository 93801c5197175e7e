# SPDX-License-Identifier: Apache-2.0
"""One TCP stream from a to b: iperf3, gigabits of payload a second, as the receiver counts them.

Sender and receiver have a core each, where there are two: left to the scheduler, now and then both get the same one.
Congestion control is cubic, Linux's own default: with bbr, which some machines prefer, it is bbr that sets the pace.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from bench.process import listens, output, running
from vxnet.errors import LabError
from vxnet.lab import wait_until

if TYPE_CHECKING:
    from bench.bed import Bed

PORT = 5201


def take(bed: Bed, seconds: int) -> float:
    """Gbit/s. Raises LabError if there is no connection."""
    port = ("--port", str(PORT))
    with running(bed.b, "iperf3", "--server", "--one-off", *port) as server:
        wait_until(lambda: server.check() and listens(bed.b, PORT), what="iperf3 to listen")
        client = ("iperf3", "--client", str(bed.b.address), *port, "--congestion", "cubic", *_cores(), "--json")
        return gbps(output(bed.a, *client, "--time", str(seconds), timeout=seconds + 20, failing=True))


def _cores() -> tuple[str, ...]:
    """iperf3's words for: the client on one core, the server on another."""
    cores = sorted(os.sched_getaffinity(0))
    return ("--affinity", f"{cores[-2]},{cores[-1]}") if len(cores) > 1 else ()


def gbps(report: str) -> float:
    """Gbit/s in iperf3's JSON ``report``. Raises LabError with iperf3's own words if it reports an error."""
    found = json.loads(report)
    if "error" in found:
        raise LabError(f"iperf3: {found['error']}")
    return float(found["end"]["sum_received"]["bits_per_second"]) / 1e9
