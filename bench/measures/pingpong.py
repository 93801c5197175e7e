# SPDX-License-Identifier: Apache-2.0
"""TCP ping-pong between a and b: sockperf, median of the one-way times (half a round trip) in microseconds.

Both ends run on one core. On two, waking the other core takes longer than the whole way, and takes now 5 and now 50
microseconds; on one core what is left is the way itself, and two changes of process.

Half the time of the other measures is plenty, as that is a hundred thousand round trips and more; and sockperf takes
two more seconds to get to know the clock.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from bench.process import listens, output, running
from vxnet.errors import LabError
from vxnet.lab import wait_until

if TYPE_CHECKING:
    from bench.bed import Bed

PORT = 11111
MEDIAN = re.compile(r"percentile 50\.000 = +([\d.]+)")


def take(bed: Bed, seconds: int) -> float:
    """Microseconds. Raises LabError if there is no connection."""
    core = ("taskset", "--cpu-list", str(max(os.sched_getaffinity(0))))
    there = ("--tcp", "--ip", str(bed.b.address), "--port", str(PORT))
    with running(bed.b, *core, "sockperf", "server", *there) as server:
        wait_until(lambda: server.check() and listens(bed.b, PORT), what="sockperf to listen")
        client = (*core, "sockperf", "ping-pong", *there, "--time", str(max(seconds // 2, 1)))
        return median_us(output(bed.a, *client, timeout=seconds + 20))


def median_us(report: str) -> float:
    """The median in sockperf's ``report``, in microseconds. Raises LabError if there is none."""
    found = MEDIAN.search(report)
    if found is None:
        raise LabError(f"sockperf gave no median: {report.strip().rpartition(chr(10))[2]}")
    return float(found[1])
