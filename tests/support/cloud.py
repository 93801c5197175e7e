# SPDX-License-Identifier: Apache-2.0
"""A small cloud without a store: records that come, change and go at random, one transaction each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from hypothesis import strategies as st

from vxnet.cluster.records import Agent, FixedIp, Network, Port, Subnet
from vxnet.cluster.replica import Replica
from vxnet.cluster.writing import transaction
from vxnet.store.base import Batch, Change

if TYPE_CHECKING:
    from vxnet.cluster.keys import Kept
    from vxnet.cluster.replica import Edit

HOSTS = ("h1", "h2", "h3")
NETWORKS = ("n1", "n2")
WHEN = "2026-01-01T00:00:00Z"


def network(name: str, mtu: int = 1450) -> Network:
    """Return a network of a VNI of its own."""
    return Network(id=name, project_id="p", vni=5000 + int(name[1:]), mtu=mtu, created_at=WHEN, updated_at=WHEN)


def subnet(of: str, gateway: str | None = None) -> Subnet:
    """Return the one subnet of a network."""
    return Subnet(
        id=f"s-{of}",
        project_id="p",
        network_id=of,
        ip_version=4,
        cidr="10.0.0.0/24",
        gateway_ip=gateway,
        created_at=WHEN,
        updated_at=WHEN,
    )


def port(number: int, of: str, host: str = "", *, security: bool = True) -> Port:
    """Return a port with the MAC and the address of its number."""
    return Port(
        id=f"port-{number}",
        project_id="p",
        network_id=of,
        mac_address=f"fa:16:3e:00:00:{number:02x}",
        fixed_ips=(FixedIp(f"s-{of}", f"10.0.0.{number + 10}"),),
        binding_host_id=host,
        port_security_enabled=security,
        created_at=WHEN,
        updated_at=WHEN,
    )


def agent(host: str, local: str = "") -> Agent:
    """Return the agent of a host."""
    return Agent(
        id=f"agent-{host}",
        host=host,
        local=local or f"192.0.2.{host[1:]}",
        underlay_mtu=1500,
        version="0",
        created_at=WHEN,
        started_at=WHEN,
    )


class Cloud:
    """The replica, and a revision for each transaction."""

    def __init__(self) -> None:
        self.replica = Replica()
        self.replica.incarnation = "one"

    def put(self, *records: Kept) -> tuple[int, list[Edit]]:
        """Write records in one transaction."""
        return self._commit(put=records)

    def delete(self, *records: Kept) -> tuple[int, list[Edit]]:
        """Delete records in one transaction."""
        return self._commit(delete=records)

    def _commit(self, *, put: tuple[Kept, ...] = (), delete: tuple[Kept, ...] = ()) -> tuple[int, list[Edit]]:
        writes = transaction(self.replica, put=put, delete=delete).writes
        revision = self.replica.revision + 1
        edits = self.replica.apply(Batch(revision, tuple(Change(key, value) for key, value in writes.items())))
        return revision, edits


Step = tuple[tuple["Kept", ...], tuple["Kept", ...]]
"""Records that are put, and records that are deleted."""


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    """Draw transactions that a cluster could see: ports only where their network and subnet are."""
    numbers = st.integers(0, 5)
    there: dict[int, Port] = {}
    done: list[Step] = [((network("n1"), network("n2"), subnet("n1"), subnet("n2")), ())]
    for _ in range(draw(st.integers(1, 25))):
        number, host = draw(numbers), draw(st.sampled_from(("", *HOSTS)))
        match draw(st.sampled_from(("port", "port", "port", "gone", "agent", "subnet", "mtu", "rename"))):
            case "port":
                of = there[number].network_id if number in there else draw(st.sampled_from(NETWORKS))
                there[number] = port(number, of, host, security=draw(st.booleans()))
                done.append(((there[number],), ()))
            case "gone" if number in there:
                done.append(((), (there.pop(number),)))
            case "agent" if host:
                done.append(((agent(host, draw(st.sampled_from(("", f"198.51.100.{host[1:]}")))),), ()))
            case "subnet":
                done.append(((subnet(draw(st.sampled_from(NETWORKS)), draw(st.sampled_from((None, "10.0.0.1")))),), ()))
            case "mtu":
                done.append(((network(draw(st.sampled_from(NETWORKS)), draw(st.sampled_from((1400, 1450)))),), ()))
            case "rename" if number in there:
                there[number] = msgspec.structs.replace(there[number], name=draw(st.sampled_from(("", "web"))))
                done.append(((there[number],), ()))
            case _:
                pass
    return done
