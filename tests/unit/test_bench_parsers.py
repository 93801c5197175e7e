# SPDX-License-Identifier: Apache-2.0
"""What iperf3, sockperf, the kernel and --version print is read rightly: these are their own words, shortened."""

from __future__ import annotations

import pytest

from bench.machine import cpu_model, version
from bench.measures.pingpong import median_us
from bench.measures.stream import gbps
from bench.process import listens_in
from vxnet.errors import LabError

IPERF3 = """{
	"start":	{
		"connected":	[{
				"socket":	5,
				"local_host":	"10.0.0.1",
				"local_port":	59736,
				"remote_host":	"10.0.0.2",
				"remote_port":	5201
			}],
		"version":	"iperf 3.12",
		"tcp_mss_default":	1398,
		"target_bitrate":	0
	},
	"intervals":	[{
			"sum":	{
				"start":	0,
				"end":	1.000042,
				"seconds":	1.0000419616699219,
				"bytes":	2394816512,
				"bits_per_second":	19157728205.732578,
				"retransmits":	5126,
				"omitted":	false,
				"sender":	true
			}
		}],
	"end":	{
		"sum_sent":	{
			"start":	0,
			"end":	1.000042,
			"seconds":	1.000042,
			"bytes":	2394816512,
			"bits_per_second":	19157727471.4462,
			"retransmits":	5126,
			"sender":	true
		},
		"sum_received":	{
			"start":	0,
			"end":	1.000061,
			"seconds":	1.000061,
			"bytes":	2394814056,
			"bits_per_second":	19157343850.025146,
			"sender":	true
		}
	}
}
"""

IPERF3_REFUSED = """{
	"start":	{
		"connected":	[],
		"version":	"iperf 3.12"
	},
	"intervals":	[],
	"end":	{
	},
	"error":	"unable to connect to server: Connection refused"
}
"""

SOCKPERF = """\
sockperf: \x1b[2;35m== version #3.7-no.git == \x1b[0m
sockperf[CLIENT] send on:sockperf: using recvfrom() to block on socket(s)

[ 0] IP = 10.0.0.2        PORT = 11111 # TCP
sockperf: Warmup stage (sending a few dummy messages)...
sockperf: Starting test...
sockperf: Test end (interrupted by timer)
sockperf: Test ended
sockperf: [Total Run] RunTime=2.000 sec; Warm up time=400 msec; SentMessages=453092; ReceivedMessages=453091
sockperf: ========= Printing statistics for Server No: 0
sockperf: [Valid Duration] RunTime=1.550 sec; SentMessages=350808; ReceivedMessages=350808
sockperf: \x1b[2;35m====> avg-latency=2.197 (std-dev=0.678)\x1b[0m
sockperf: # dropped messages = 0; # duplicated messages = 0; # out-of-order messages = 0
sockperf: Summary: Latency is 2.197 usec
sockperf: \x1b[2;35mTotal 350808 observations\x1b[0m; each percentile contains 3508.08 observations
sockperf: ---> <MAX> observation =  105.792
sockperf: ---> percentile 99.999 =   49.835
sockperf: ---> percentile 90.000 =    2.271
sockperf: ---> percentile 50.000 =    2.151
sockperf: ---> percentile 25.000 =    2.128
sockperf: ---> <MIN> observation =    2.059
"""

SOCKPERF_REFUSED = """\
sockperf: \x1b[2;35m== version #3.7-no.git == \x1b[0m
sockperf: ERROR: Can`t connect socket (errno=111 Connection refused)

"""

PROC_TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0200000A:2B67 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2256650 1 0 100 0 0 10 0
   1: 0200000A:1451 0100000A:E958 01 00000000:00000000 00:00000000 00000000     0        0 2256651 1 0 20 4 30 10 -1
"""

PROC_TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000000000000:1451 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
"""


def test_stream_is_what_the_receiver_counted() -> None:
    """What was sent and got lost is no throughput."""
    assert gbps(IPERF3) == pytest.approx(19.157343850)


def test_stream_without_a_connection_is_an_error_in_the_words_of_iperf3() -> None:
    """A failed run must not be taken for a slow one."""
    with pytest.raises(LabError, match="iperf3: unable to connect to server: Connection refused"):
        gbps(IPERF3_REFUSED)


def test_ping_pong_is_the_median() -> None:
    """Not the average, which a single stop of the machine moves."""
    assert median_us(SOCKPERF) == pytest.approx(2.151)


def test_ping_pong_without_a_connection_is_an_error() -> None:
    """sockperf ends with exit code 0 when it cannot connect: only its output tells."""
    with pytest.raises(LabError, match="Connection refused"):
        median_us(SOCKPERF_REFUSED)


@pytest.mark.parametrize(("port", "expected"), [(11111, True), (5201, False), (22, False)])
def test_only_a_listening_socket_is_ready(port: int, *, expected: bool) -> None:
    """A connection from that port (state 01) does not accept another."""
    assert listens_in(PROC_TCP, port) is expected


def test_listening_on_ipv6_is_listening() -> None:
    """A server on [::] also takes IPv4 connections, and is in the other table."""
    assert listens_in(PROC_TCP6, 5201)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("iperf 3.12 (cJSON 1.7.15)\nLinux ...", "3.12"),
        ("sockperf, version 3.7-no.git \n   compiled 2021-08-23 12:14:23", "3.7"),
        ("trafgen 0.6.8 (Flutternozzle), Git id: (none)", "0.6.8"),
        ("ovs-vswitchd (Open vSwitch) 3.1.0", "3.1.0"),
        ("Debian clang version 14.0.6\nTarget: x86_64-pc-linux-gnu", "14.0.6"),
        ("no number at all", ""),
    ],
)
def test_version_is_found_in_what_the_tool_says(said: str, expected: str) -> None:
    """Every tool says it in its own way."""
    assert version(said) == expected


def test_cpu_model() -> None:
    """The first CPU speaks for all; some architectures give no name, which is no error."""
    cpuinfo = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 167\nmodel name\t: Intel(R) Xeon(R) Processor\n"
    assert cpu_model(cpuinfo * 2) == "Intel(R) Xeon(R) Processor"
    assert not cpu_model("processor\t: 0\nCPU implementer\t: 0x41\n")
