# SPDX-License-Identifier: Apache-2.0
"""Decisions about networks, subnets and ports: what is taken, by whom, and that it stays in step with the claims."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vxnet.cluster.caller import Caller
from vxnet.cluster.commands import networks, ports, subnets
from vxnet.cluster.commands.act import Act
from vxnet.cluster.commands.addresses import Wish, eui64
from vxnet.cluster.commands.errors import RefusedError
from vxnet.cluster.keys import KINDS, claims_of
from vxnet.cluster.records import AddressPair, FixedIp, Network, Pool, Port, PortState, Quota, Subnet
from vxnet.cluster.replica import Replica
from vxnet.cluster.writing import Decision, transaction
from vxnet.store.base import Batch, Change

if TYPE_CHECKING:
    from collections.abc import Callable

    from vxnet.store.base import Transaction

ROOT = Caller("root", "operators", "admin")
ALICE = Caller("alice", "red", "member")
WHEN = "2026-01-01T00:00:00Z"


class Desk:
    """A store in a dictionary, and a replica that follows it: decisions are committed as a store would."""

    def __init__(self) -> None:
        self.replica = Replica()
        self.items: dict[str, tuple[bytes, int]] = {}
        self.chance = random.Random(1)

    def act(self, caller: Caller = ROOT, **circumstances: Any) -> Act:
        """Return the circumstances of one decision."""
        return Act(caller=caller, now=WHEN, chance=self.chance, **circumstances)

    def commit(self, transaction: Transaction | None) -> bool:
        """Write it, if all that it asks for holds."""
        if transaction is None:
            return True
        for key, revision in transaction.unchanged.items():
            if self.items.get(key, (b"", 0))[1] != revision:
                return False
        if any(key.startswith(prefix) for prefix in transaction.empty for key in self.items):
            return False
        revision = self.replica.revision + 1
        for key, value in transaction.writes.items():
            self.items.pop(key, None)
            if value is not None:
                self.items[key] = value, revision
        self.replica.apply(Batch(revision, tuple(Change(*write) for write in transaction.writes.items())))
        return True

    def do(self, decide: Callable[..., Decision[Any]], *what: Any, caller: Caller = ROOT, **circumstances: Any) -> Any:
        """Decide and commit. What is decided on what the store holds is never lost."""
        decision = decide(self.replica, self.act(caller, **circumstances), *what)
        assert self.commit(decision.transaction)
        return decision.result

    def network(self, **values: Any) -> Network:
        """Make a network."""
        (made,) = self.do(networks.create, [values])
        assert isinstance(made, Network)
        return made

    def subnet(self, of: Network, cidr: str = "10.0.0.0/24", **values: Any) -> Subnet:
        """Make a subnet."""
        version = 6 if ":" in cidr else 4
        (made,) = self.do(subnets.create, [{"network_id": of.id, "cidr": cidr, "ip_version": version, **values}])
        assert isinstance(made, Subnet)
        return made

    def port(self, of: Network, **values: Any) -> Port:
        """Make a port."""
        (made,) = self.do(ports.create, [{"network_id": of.id, **values}])
        assert isinstance(made, Port)
        return made

    def check(self) -> None:
        """Hold what is claimed against what the records say."""
        claimed = {key: value for key, (value, _) in self.items.items() if key.startswith("claim/")}
        of_records: dict[str, bytes] = {}
        for record in (*self.replica.networks, *self.replica.subnets, *self.replica.ports):
            for claim, owner in claims_of(record):
                assert claim not in of_records, f"{claim} is two records'"
                of_records[claim] = owner
        assert claimed == of_records
        for subnet in self.replica.subnets:
            assert self.replica.networks.get(subnet.network_id)
        for port in self.replica.ports:
            assert self.replica.networks.get(port.network_id)
            assert all(self.replica.subnets.get(fixed.subnet_id) for fixed in port.fixed_ips)


@pytest.fixture
def desk() -> Desk:
    """Return an empty one."""
    return Desk()


def refused(kind: str, desk: Desk, *what: Any, **circumstances: Any) -> None:
    """Check that a decision is refused in that way."""
    with pytest.raises(RefusedError) as caught:
        desk.do(*what, **circumstances)
    assert caught.value.kind == kind


# ---- what is given ----


def test_vnis_are_given_in_order(desk: Desk) -> None:
    """Each network gets the lowest free VNI of the ranges, in the order of the ranges; then none: 503."""
    ranges = ((5001, 5002), (7, 7))
    made = [desk.do(networks.create, [{}], vni_ranges=ranges)[0] for _ in range(3)]
    assert [network.vni for network in made] == [5001, 5002, 7]
    refused("NoNetworkAvailable", desk, networks.create, [{}], vni_ranges=ranges)
    desk.do(networks.delete, made[0].id)
    assert desk.do(networks.create, [{}], vni_ranges=ranges)[0].vni == 5001


def test_vnis_in_one_request(desk: Desk) -> None:
    """Networks of one request get different VNIs, also around one that is asked for."""
    made = desk.do(networks.create, [{"provider:segmentation_id": 2}, {}, {}])
    assert [network.vni for network in made] == [2, 1, 3]
    refused("TunnelIdInUse", desk, networks.create, [{"provider:segmentation_id": 9}] * 2)
    desk.check()


def test_addresses_are_given_lowest_first(desk: Desk) -> None:
    """Ports get the lowest free address of the pools, of an IPv4 and of an IPv6 subnet."""
    network = desk.network()
    four, six = desk.subnet(network), desk.subnet(network, "fd00::/64")
    desk.subnet(network, "10.1.0.0/24")
    assert desk.port(network).fixed_ips == (FixedIp(four.id, "10.0.0.2"), FixedIp(six.id, "fd00::2"))
    assert desk.port(network).fixed_ips == (FixedIp(four.id, "10.0.0.3"), FixedIp(six.id, "fd00::3"))


def test_the_next_subnet_when_one_is_full(desk: Desk) -> None:
    """A full subnet is passed over; only when all are full there is no address: 409."""
    network = desk.network()
    pool = Pool("10.0.0.9", "10.0.0.9")
    desk.subnet(network, allocation_pools=(pool,))
    desk.subnet(network, "10.1.0.0/24", allocation_pools=(Pool("10.1.0.9", "10.1.0.9"),))
    given = [desk.port(network).fixed_ips[0].ip_address for _ in range(2)]
    assert given == ["10.0.0.9", "10.1.0.9"]
    refused("IpAddressGenerationFailure", desk, ports.create, [{"network_id": network.id}])


@given(st.integers(0, 300))
def test_passing_over_never_means_none(skip: int) -> None:
    """However many free addresses a server passes over, it finds one as long as one is free."""
    desk = Desk()
    network = desk.network()
    desk.subnet(network, "10.0.0.0/28")
    found = set()
    for _ in range(13):
        (port,) = desk.do(ports.create, [{"network_id": network.id}], skip=skip)
        found.add(port.fixed_ips[0].ip_address)
    assert len(found) == 13
    refused("IpAddressGenerationFailure", desk, ports.create, [{"network_id": network.id}], skip=skip)


def test_addresses_that_follow_from_macs(desk: Desk) -> None:
    """In a SLAAC subnet a port has its EUI-64 address (RFC 4291 appendix A), and another when its MAC changes."""
    network = desk.network()
    subnet = desk.subnet(network, "2001:db8::/64", ipv6_address_mode="slaac")
    port = desk.port(network, mac_address="fa:16:3e:12:34:56")
    assert port.fixed_ips == (FixedIp(subnet.id, "2001:db8::f816:3eff:fe12:3456"),)
    other = desk.do(ports.update, port.id, {"mac_address": "fa:16:3e:12:34:57"})
    assert other.fixed_ips == (FixedIp(subnet.id, eui64(subnet, "fa:16:3e:12:34:57")),)
    wish = (Wish(subnet.id, "2001:db8::5"),)
    refused("InvalidInput", desk, ports.update, port.id, {"fixed_ips": wish})
    desk.check()


# ---- what is changed ----


def test_addresses_are_replaced(desk: Desk) -> None:
    """The addresses of a port are those of the last list: one that is not in it is free, one without address kept."""
    network = desk.network()
    subnet = desk.subnet(network)
    port = desk.port(network)
    two = desk.do(ports.update, port.id, {"fixed_ips": (Wish(subnet.id), Wish(None, "10.0.0.50"))})
    assert [fixed.ip_address for fixed in two.fixed_ips] == ["10.0.0.2", "10.0.0.50"]
    desk.check()
    one = desk.do(ports.update, port.id, {"fixed_ips": (Wish(None, "10.0.0.50"),)})
    assert [fixed.ip_address for fixed in one.fixed_ips] == ["10.0.0.50"]
    desk.check()
    assert desk.port(network).fixed_ips[0].ip_address == "10.0.0.2"
    assert desk.do(ports.update, port.id, {"fixed_ips": ()}).fixed_ips == ()
    desk.check()


def test_a_mac_changes_only_at_no_host(desk: Desk) -> None:
    """A bound port keeps its MAC; an unbound one gives it up for another that is free."""
    network = desk.network()
    desk.port(network, mac_address="fa:16:3e:00:00:01")
    port = desk.port(network, **{"binding:host_id": "h1"})
    refused("PortBound", desk, ports.update, port.id, {"mac_address": "fa:16:3e:00:00:02"})
    values = {"binding:host_id": "", "mac_address": "fa:16:3e:00:00:02"}
    assert desk.do(ports.update, port.id, values).mac_address == "fa:16:3e:00:00:02"
    refused("MacAddressInUse", desk, ports.update, port.id, {"mac_address": "fa:16:3e:00:00:01"})
    desk.check()


def test_what_a_host_said_is_forgotten_when_a_port_leaves_it(desk: Desk) -> None:
    """A port that comes back to a host is not taken to forward there until the host says so again."""
    port = desk.port(desk.network(), **{"binding:host_id": "h1"})
    desk.commit(transaction(desk.replica, put=[PortState(port.id, "h1", active=True)]))
    desk.do(ports.update, port.id, {"name": "p"})
    assert desk.replica.port_states.get(port.id)
    desk.do(ports.update, port.id, {"binding:host_id": "h2"})
    desk.do(ports.update, port.id, {"binding:host_id": "h1"})
    assert desk.replica.port_states.get(port.id) is None


def test_pairs_have_the_ports_mac(desk: Desk) -> None:
    """An address pair without a MAC has the port's; with security off there can be none."""
    port = desk.port(desk.network(), mac_address="fa:16:3e:00:00:01")
    pairs = (AddressPair("10.9.0.0/16", ""),)
    changed = desk.do(ports.update, port.id, {"allowed_address_pairs": pairs})
    assert changed.allowed_address_pairs == (AddressPair("10.9.0.0/16", "fa:16:3e:00:00:01"),)
    refused("AddressPairAndPortSecurityRequired", desk, ports.update, port.id, {"port_security_enabled": False})


def test_a_change_that_changes_nothing(desk: Desk) -> None:
    """Saying again what is so already writes nothing, and counts no revision."""
    network = desk.network(name="blue")
    assert networks.update(desk.replica, desk.act(), network.id, {"name": "blue"}).transaction is None


def test_a_gateway_is_in_no_pool(desk: Desk) -> None:
    """Neither a new gateway nor new pools may make the gateway an address that ports get."""
    subnet = desk.subnet(desk.network())
    refused("GatewayConflictWithAllocationPools", desk, subnets.update, subnet.id, {"gateway_ip": "10.0.0.9"})
    values = {"gateway_ip": "10.0.0.9", "allocation_pools": (Pool("10.0.0.20", "10.0.0.30"),)}
    assert desk.do(subnets.update, subnet.id, values).gateway_ip == "10.0.0.9"
    assert desk.do(subnets.update, subnet.id, {"gateway_ip": None}).gateway_ip is None


# ---- races ----


def test_overlapping_subnets_at_once(desk: Desk) -> None:
    """Of two servers that make overlapping subnets at the same time, one loses, and then finds the other's."""
    network = desk.network()
    bodies = [[{"network_id": network.id, "cidr": cidr, "ip_version": 4}] for cidr in ("10.0.0.0/24", "10.0.0.0/25")]
    first, second = (subnets.create(desk.replica, desk.act(), body) for body in bodies)
    assert desk.commit(first.transaction)
    assert not desk.commit(second.transaction)
    refused("InvalidInput", desk, subnets.create, bodies[1])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_port_into_what_goes(desk: Desk, order: tuple[int, int]) -> None:
    """A port, and the deletion of its network or subnet, at the same time: one of them loses."""
    for delete in (networks.delete, subnets.delete):
        network = desk.network()
        subnet = desk.subnet(network)
        port = ports.create(desk.replica, desk.act(), [{"network_id": network.id}])
        gone = delete(desk.replica, desk.act(), network.id if delete is networks.delete else subnet.id)
        both = port.transaction, gone.transaction
        assert desk.commit(both[order[0]])
        assert not desk.commit(both[order[1]])
        desk.check()


def test_a_port_into_a_network_that_goes(desk: Desk) -> None:
    """The same of a network without subnets: nothing but the network itself stands between them."""
    network = desk.network()
    port = ports.create(desk.replica, desk.act(), [{"network_id": network.id}])
    desk.do(networks.delete, network.id)
    assert not desk.commit(port.transaction)


def test_the_same_numbers_in_one_request(desk: Desk) -> None:
    """Ports of one request that ask for the same MAC or address: refused, as if they came one after the other."""
    network = desk.network()
    desk.subnet(network)
    for kind, values in (
        ("MacAddressInUse", {"mac_address": "fa:16:3e:00:00:01"}),
        ("IpAddressInUse", {"fixed_ips": (Wish(None, "10.0.0.9"),)}),
    ):
        refused(kind, desk, ports.create, [{"network_id": network.id, **values}] * 2)


def test_what_is_in_use_stays(desk: Desk) -> None:
    """A network with ports and a subnet with addresses are refused to go: it is said, not lost as a race."""
    network = desk.network()
    subnet = desk.subnet(network)
    desk.port(network)
    refused("NetworkInUse", desk, networks.delete, network.id)
    refused("SubnetInUse", desk, subnets.delete, subnet.id)


def test_the_same_numbers_at_once(desk: Desk) -> None:
    """Two servers that give away the same VNI, address or MAC: one loses."""
    network = desk.network()
    desk.subnet(network)
    for decide, body in (
        (networks.create, {}),
        (ports.create, {"network_id": network.id}),
        (ports.create, {"network_id": network.id, "fixed_ips": (), "mac_address": "fa:16:3e:00:00:09"}),
    ):
        first, second = (decide(desk.replica, desk.act(), [body]) for _ in range(2))
        assert desk.commit(first.transaction)
        assert not desk.commit(second.transaction)
    desk.check()


# ---- bounds ----


def test_quotas(desk: Desk) -> None:
    """A project has as much as its own quota allows, or else the general one; -1 is no bound."""
    refused("OverQuota", desk, networks.create, [{}, {}], quotas={"network": 1})
    desk.commit(transaction(desk.replica, put=[Quota("red", {"network": 2})]))
    desk.do(networks.create, [{}, {}], caller=ALICE, quotas={"network": 0})
    refused("OverQuota", desk, networks.create, [{}], caller=ALICE)
    desk.do(networks.create, [{}] * 9, quotas={"network": -1})


def test_a_transaction_that_is_too_long(desk: Desk) -> None:
    """More than the store takes at once is refused before it is asked."""
    refused("BadRequest", desk, networks.create, [{}] * 6, most_writes=10)
    desk.do(networks.create, [{}] * 5, most_writes=10)
    network = desk.network()
    for number in range(5):
        desk.subnet(network, f"10.{number}.0.0/24")
    with pytest.raises(RefusedError, match="take away what belongs to it first"):
        networks.delete(desk.replica, desk.act(most_writes=10), network.id)


# ---- all of it ----

_STEPS = st.lists(
    st.tuples(
        st.sampled_from(("network", "subnet", "port", "port", "address", "mac", "delete", "delete")),
        st.integers(0, 5),
        st.integers(0, 5),
    ),
    max_size=40,
)


@given(_STEPS)
def test_claims_are_those_of_the_records(steps: list[tuple[str, int, int]]) -> None:
    """After whatever is made, changed and deleted, the claims are those of the records, and nothing is given twice."""
    desk = Desk()
    for what, one, other in steps:
        with suppress(RefusedError):  # as good as any answer: it must leave nothing behind
            _step(desk, what, one, other)
        desk.check()
    assert {kind for key in desk.items if (kind := key.split("/")[0]) != "claim"} <= KINDS.keys()


def _step(desk: Desk, what: str, one: int, other: int) -> None:
    everything = [*desk.replica.networks, *desk.replica.subnets, *desk.replica.ports]
    chosen = everything[one % len(everything)] if everything else None
    network = next((network for n, network in enumerate(desk.replica.networks) if n == one), None)
    match what, chosen:
        case "network", _:
            desk.do(networks.create, [{"provider:segmentation_id": other or None}, {}])
        case "subnet", _ if network:
            modes = {"ipv6_address_mode": "slaac"} if other % 2 else {}
            cidr = f"10.{other}.0.0/28" if other < 3 else f"fd00:{other}::/64"
            desk.subnet(network, cidr, **(modes if ":" in cidr else {}))
        case "port", _ if network:
            values = {"mac_address": f"fa:16:3e:00:00:0{other}"} if other < 3 else {}
            desk.do(ports.create, [{"network_id": network.id, **values}, {"network_id": network.id}])
        case "address", Port():
            here = [subnet.id for subnet in desk.replica.subnets.where("network_id", chosen.network_id)]
            wishes = (Wish(None, f"10.0.0.{other + 1}"), *(Wish(subnet) for subnet in here))
            desk.do(ports.update, chosen.id, {"fixed_ips": wishes})
        case "mac", Port():
            desk.do(ports.update, chosen.id, {"mac_address": f"fa:16:3e:00:00:0{other}"})
        case "delete", Network():
            desk.do(networks.delete, chosen.id)
        case "delete", Subnet():
            desk.do(subnets.delete, chosen.id)
        case "delete", Port():
            desk.do(ports.delete, chosen.id)
        case _:
            pass
