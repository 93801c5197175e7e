# SPDX-License-Identifier: Apache-2.0
"""What perf says becomes nanoseconds a packet, function by function."""

from __future__ import annotations

import pytest
from rich.console import Console

from bench.profile import scaled, shares, table

# The words of `perf report`, shortened.
REPORT = """\
# To display the perf.data header info, please use --header/--header-only options.
#
# Samples: 6K of event 'cpu-clock:pppH'
# Event count (approx.): 1551250000
#
# Overhead;Symbol
 7.43%  ;[k] fib_table_lookup
 3.63%  ;[k] _raw_spin_unlock_irq
 1.58%  ;[.] __memmove_avx512_unaligned_erms
 1.56%  ;[.] 0x0000000000012345
 1.49%  ;[k] __netif_receive_skb_core.constprop.0
 1.00%  ;[k] bpf_prog_4074a018b79f5941_underlay
"""


def test_shares_are_read_by_function() -> None:
    """eBPF programs go by their own names, and the generator's own code is of no interest in detail."""
    assert shares(REPORT) == pytest.approx(
        {
            "fib_table_lookup": 0.0743,
            "_raw_spin_unlock_irq": 0.0363,
            "trafgen itself": 0.0158 + 0.0156,
            "__netif_receive_skb_core.constprop.0": 0.0149,
            "eBPF: underlay": 0.01,
        }
    )


def test_parts_make_up_the_whole() -> None:
    """What perf leaves out or rounds is not missing from the packet's time."""
    parts = scaled({"a": 0.6, "b": 0.2}, 1000.0)
    assert parts == pytest.approx({"a": 750.0, "b": 250.0})


def test_table_puts_the_greatest_difference_first_and_adds_up() -> None:
    """What both do alike, within what samples can tell, is one line; nothing is left out of the sum."""
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table("vxnet", {"x": 10, "same": 5, "new": 40.5}, "limit", {"x": 20, "same": 5.5, "like": 1}))
    lines = [" ".join(line.split()) for line in capture.get().splitlines() if any(sign in line for sign in "+-")]
    assert lines == ["new 40.5 0.0 +40.5", "x 10.0 20.0 -10.0", "2 others 5.0 6.5 -1.5", "all 55.5 26.5 +29.0"]
