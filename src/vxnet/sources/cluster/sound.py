# SPDX-License-Identifier: Apache-2.0
"""Nothing that a server says stops a host: what cannot be is left out, with a word in the log, and the rest is done."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from vxnet.cluster.messages import LocalPort
from vxnet.model import VNI_MAX, VNI_MIN
from vxnet.packet.mac import ZERO, is_group
from vxnet.sources.values import vtep_address

if TYPE_CHECKING:
    from vxnet.cluster.messages import FarPort, Port, Segment


def fault_of_segment(segment: Segment) -> str:
    """Return why a segment cannot be, whatever its ports; "" if it can."""
    return "" if VNI_MIN <= segment.vni <= VNI_MAX else f"VNI {segment.vni} is not in {VNI_MIN} to {VNI_MAX}"


def fault_of_port(port: Port) -> str:
    """Return why a port cannot be: a MAC or an address that is none; "" if it can."""
    try:
        _check_mac(port.mac_address)
        if isinstance(port, LocalPort):
            _check_local(port)
        else:
            _check_far(port)
    except ValueError as error:
        return str(error)
    return ""


def _check_mac(mac: str) -> None:
    if is_group(mac) or mac == ZERO or mac != mac.lower():
        message = f"MAC address: {mac} is nobody's own, or not in lower case"
        raise ValueError(message)


def _check_address(text: str) -> None:
    if str(ip_address(text)) != text:
        message = f"address {text} is written {ip_address(text)}"
        raise ValueError(message)


def _check_local(port: LocalPort) -> None:
    for fixed in port.fixed_ips:
        _check_address(fixed.ip_address)
    for pair in port.allowed_address_pairs:
        _check_mac(pair.mac_address)
        ip_network(pair.ip_address)


def _check_far(port: FarPort) -> None:
    for address in port.addresses:
        _check_address(address)
    if what := vtep_address(ip_address(port.vtep)):
        message = f"the VTEP {port.vtep} {what}"
        raise ValueError(message)
