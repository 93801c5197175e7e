# SPDX-License-Identifier: Apache-2.0
"""rtnetlink(7): by pyroute2, and in messages of our own for what that does not know, and for what must be quick.

nlmsghdr | fixed part | attribute: length 2, kind 2, value, padded to 4 | attribute | ...
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from vxnet.errors import KernelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_EXCL, NLM_F_CREATE = 1, 4, 0x300, 0x200, 0x400
NESTED = 0x8000

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_MESSAGE, _ATTRIBUTE = struct.Struct("=IH"), struct.Struct("=HH")


@contextmanager
def netlink(what: str) -> Iterator[Any]:
    """Give pyroute2's socket of this namespace; what the kernel refuses is a KernelError that begins with ``what``."""
    try:
        with IPRoute() as ip:
            yield ip
    except NetlinkError as error:
        message = f"{what}: {error.args[-1]}"
        raise KernelError(message) from error


def attribute(kind: int, value: bytes) -> bytes:
    """Return one attribute."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield kind and value of each attribute."""
    at, last = 0, len(data) - _ATTRIBUTE.size
    while at <= last:
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += length + (-length % 4)


def talk(message: int, flags: int, body: bytes, what: str, cures: Mapping[int, str] = {}) -> Iterator[bytes]:
    """Send one request and yield the payload of each answer.

    KernelError that begins with ``what`` it was about if it is refused, caused by an OSError; ``cures``: what to say
    then, by errno.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as netlink:
        netlink.bind((0, 0))
        netlink.send(struct.pack("=IHHII", 16 + len(body), message, NLM_F_REQUEST | flags, 1, 0) + body)
        while True:
            data, at = netlink.recv(1 << 20), 0
            while at < len(data):
                length, kind = _MESSAGE.unpack_from(data, at)
                payload = data[at + 16 : at + length]
                at += length + (-length % 4)
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    code = -struct.unpack_from("=i", payload)[0]
                    if code:
                        message_text = f"{what}: {os.strerror(code)}{cures.get(code, '')}"
                        raise KernelError(message_text) from OSError(code, os.strerror(code))
                    return
                yield payload


def request(message: int, flags: int, body: bytes, what: str, cures: Mapping[int, str] = {}) -> None:
    """Send a request that has no other answer than that it is done: `talk`, to the end."""
    for _ in talk(message, NLM_F_ACK | flags, body, what, cures):
        pass
