# SPDX-License-Identifier: Apache-2.0
"""The MTU of networks, from what agents say of the underlay."""

from __future__ import annotations

import msgspec

from tests.support.cloud import Cloud, agent
from vxnet.cluster.liveness import ALIVE, Liveness
from vxnet.cluster.records import Heartbeat
from vxnet.cluster.times import now
from vxnet.server.api.mtu import offered
from vxnet.server.settings import Settings


def test_the_smallest_underlay_of_those_alive() -> None:
    """Outer headers take 50 bytes over IPv4 and 70 over IPv6; agents that are not alive do not count."""
    cloud, clock = Cloud(), [0.0]
    liveness = Liveness(cloud.replica, lambda: clock[0])
    assert offered(cloud.replica, liveness, Settings()) == 1450
    four = msgspec.structs.replace(agent("h1"), underlay_mtu=9000)
    six = agent("h2", "2001:db8::2")
    for one in (four, six):
        liveness.changed(*cloud.put(one, Heartbeat(one.host, now(), 1)))
    assert offered(cloud.replica, liveness, Settings()) == 1430
    clock[0] += ALIVE
    liveness.changed(*cloud.put(Heartbeat("h1", now(), 2)))
    assert offered(cloud.replica, liveness, Settings()) == 8950
    assert offered(cloud.replica, liveness, Settings(mtu=1400)) == 1400
