# SPDX-License-Identifier: Apache-2.0
"""Ports in the API."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from vxnet.cluster.commands import access
from vxnet.cluster.commands.addresses import Wish
from vxnet.cluster.liveness import is_active
from vxnet.cluster.records import AddressPair
from vxnet.server.api.attributes import Attribute, Resource, View
from vxnet.server.api.kinds import (
    BOOLEAN,
    MAC,
    NAME,
    OBJECT,
    TEXTS,
    UUID,
    Kind,
    address,
    array,
    choice,
    cidr,
    entry,
    listed,
    mac,
    no_list,
    nothing,
    or_none,
    record,
)
from vxnet.server.api.standard import HEAD, TAG_TESTS, TAIL, always, field, narrowed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vxnet.cluster.records import Port
    from vxnet.cluster.replica import Replica

_STRING = {"type": "string"}


def _wish(value: Any) -> Wish:  # noqa: ANN401  (it comes from outside)
    return Wish(**entry(value, subnet_id=UUID.convert, ip_address=address))


def _prefix_or_address(value: Any) -> str:  # noqa: ANN401
    return cidr(value) if isinstance(value, str) and "/" in value else address(value)


def _pair(value: Any) -> AddressPair:  # noqa: ANN401
    parts = entry(value, ip_address=_prefix_or_address, mac_address=mac)
    if "ip_address" not in parts:
        raise ValueError(f"'ip_address' is missing in '{value}'")
    return AddressPair(parts["ip_address"], parts.get("mac_address", ""))


def _host(value: Any) -> str:  # noqa: ANN401
    text: str = NAME.convert("" if value is None else value)
    return text


_HOST = Kind(convert=_host, schema=or_none(NAME).schema, shown=_STRING)
_ADDRESSES = array(
    record((), subnet_id={"type": "string", "format": "uuid"}, ip_address=_STRING),
    partial(listed, convert=_wish),
    record(("subnet_id", "ip_address"), subnet_id=_STRING, ip_address=_STRING),
)
_PAIRS = array(
    record(("ip_address",), ip_address=_STRING, mac_address=_STRING),
    partial(listed, convert=_pair),
)
_NO_GROUPS = no_list(
    "there are no security groups here; port_security_enabled and allowed_address_pairs protect a port"
)


# ---- what a port's host makes of it ----


def vif_type(view: View, port: Port) -> str:
    """Return how a port is attached: ``tap``, if its host has an agent."""
    if not port.binding_host_id:
        return "unbound"
    return "tap" if view.replica.agents.get(port.binding_host_id) else "binding_failed"


def vif_details(view: View, port: Port) -> dict[str, Any]:
    """Return what a machine's host has to know to attach it."""
    if vif_type(view, port) != "tap":
        return {}
    return {"port_filter": True, "connectivity": "l2", "device": f"tap{port.id[:11]}"}


def _status(view: View, port: Port) -> str:
    return "ACTIVE" if is_active(view.replica, view.liveness, port) else "DOWN"


# ---- filters ----


def _wanted_addresses(values: Sequence[str]) -> dict[str, set[str]]:
    """Return what ``fixed_ips=ip_address=10.0.0.5`` asks for, by its first part."""
    wanted: dict[str, set[str]] = {}
    for value in values:
        name, sign, what = value.partition("=")
        if not sign or name not in {"ip_address", "subnet_id", "ip_address_substr"}:
            raise ValueError(f"'{value}' is not subnet_id=ID, ip_address=ADDRESS or ip_address_substr=TEXT")
        wanted.setdefault(name, set()).add(address(what) if name == "ip_address" else what)
    return wanted


def _by_address(_: View, values: Sequence[str]) -> Callable[[Port], bool]:
    wanted = _wanted_addresses(values)
    subnets, addresses = wanted.get("subnet_id"), wanted.get("ip_address")
    parts = wanted.get("ip_address_substr")

    def test(port: Port) -> bool:
        return any(
            (subnets is None or fixed.subnet_id in subnets)
            and (addresses is None or fixed.ip_address in addresses)
            and (parts is None or any(part in fixed.ip_address for part in parts))
            for fixed in port.fixed_ips
        )

    return test


def _narrow(replica: Replica, name: str, values: Sequence[str]) -> tuple[int, Iterator[Port]] | None:
    if name != "fixed_ips":
        return narrowed(replica.ports, name, values)
    subnets = _wanted_addresses(values).get("subnet_id")
    if subnets is None:
        return None
    there = (subnet for name in subnets if (subnet := replica.subnets.get(name)))
    return narrowed(replica.ports, "network_id", [subnet.network_id for subnet in there])


def _records(view: View) -> Iterator[Port]:
    if view.caller.is_admin:
        return iter(view.replica.ports)
    return view.replica.ports.where("project_id", view.caller.project_id)


PORT = Resource(
    name="port",
    plural="ports",
    records=_records,
    sees=lambda view, port: view.caller.owns(port.project_id),
    find=lambda view, name: access.port(view.replica, view.caller, name),
    narrow=_narrow,
    tests={
        **TAG_TESTS,
        "fixed_ips": _by_address,
        "security_groups": lambda _view, _values: lambda _port: False,
    },
    attributes=(
        *HEAD,
        Attribute(
            name="network_id", kind=UUID, about="Its network.",
            show=field("network_id"), post=True, required=True, filter=True, sort=True,
        ),
        Attribute(
            name="mac_address", kind=MAC, about="Its MAC. Unless said, one that begins with fa:16:3e.",
            show=field("mac_address"), post=True, put=True, filter=True, sort=True,
        ),
        Attribute(
            name="fixed_ips", kind=_ADDRESSES, about="Its addresses, by subnet_id, ip_address or both.",
            show=field("fixed_ips"), post=True, put=True,
        ),
        Attribute(
            name="admin_state_up", kind=BOOLEAN, about="Whether it is to forward.",
            show=field("admin_state_up"), post=True, put=True, default=True, filter=True, sort=True,
        ),
        Attribute(
            name="status", kind=choice("ACTIVE", "DOWN"),
            about="ACTIVE when its host's agent is alive and has confirmed that it forwards.",
            show=_status, filter=True, sort=True,
        ),
        Attribute(
            name="device_id", kind=NAME, about="Whose port it is: a machine's id.",
            show=field("device_id"), post=True, put=True, default="", filter=True, sort=True,
        ),
        Attribute(
            name="device_owner", kind=NAME, about="What kind of machine that is.",
            show=field("device_owner"), post=True, put=True, default="", filter=True, sort=True,
        ),
        Attribute(
            name="binding:host_id", kind=_HOST, about="The host it is at; empty: none.",
            show=field("binding_host_id"), post=True, put=True, write="admin", read="admin", default="", filter=True,
            sort=True,
        ),
        Attribute(
            name="binding:vnic_type", kind=choice("normal"), about="Always normal.",
            show=field("binding_vnic_type"), post=True, put=True, write="admin", default="normal", filter=True,
        ),
        Attribute(
            name="binding:profile", kind=OBJECT, about="What the host's agent is told besides.",
            show=field("binding_profile"), post=True, put=True, write="admin", read="admin", default={},
        ),
        Attribute(
            name="binding:vif_type", kind=choice("unbound", "binding_failed", "tap"),
            about="unbound: at no host; binding_failed: its host has no agent; tap.",
            show=vif_type, read="admin", filter=True,
        ),
        Attribute(
            name="binding:vif_details", kind=OBJECT, about="The device that its host's agent looks for.",
            show=vif_details, read="admin",
        ),
        Attribute(
            name="port_security_enabled", kind=BOOLEAN,
            about="Whether only its own MAC and addresses may leave it. Unless said, as its network has it.",
            show=field("port_security_enabled"), post=True, put=True, filter=True,
        ),
        Attribute(
            name="allowed_address_pairs", kind=_PAIRS, about="What else may leave it; at most 10.",
            show=field("allowed_address_pairs"), post=True, put=True, default=(),
        ),
        Attribute(
            name="security_groups", kind=_NO_GROUPS, about="Always empty.",
            show=always([]), post=True, put=True, default=(),
        ),
        Attribute(
            name="extra_dhcp_opts", kind=no_list("there are no extra DHCP options here"), about="Always empty.",
            show=always([]), post=True, put=True, default=(),
        ),
        Attribute(
            name="dns_name", kind=nothing("there are no DNS names of ports here"), about="Always empty.",
            show=always(""), post=True, put=True, default=None,
        ),
        Attribute(name="dns_assignment", kind=TEXTS, about="Always empty.", show=always([])),
        *TAIL,
    ),
)  # fmt: skip
