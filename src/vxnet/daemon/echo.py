# SPDX-License-Identifier: Apache-2.0
"""ICMP echo of both families (RFC 792; RFC 4443, section 4), for a process that may open no socket of that kind later.

    ask     request --> remote, from our address
    hear    replies --> (remote, number, payload), ...       `filenos` are readable when there are some

A raw socket gets a copy of all that arrives, from whomever. The kernel is told to let through replies alone, and of
these the ones that have our identifier and our mark: a flood of others wakes nobody. Whoever is asked sees the mark;
`renew` makes another one.
"""

from __future__ import annotations

import ctypes
import secrets
import socket
import struct
from ipaddress import IPv4Address, ip_address
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from vxnet.packet.errors import MalformedError
from vxnet.packet.icmp import ECHO_REPLY, IcmpEcho
from vxnet.packet.icmp6 import ECHO_REPLY as ECHO_REPLY_6
from vxnet.packet.icmp6 import Icmp6Echo

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vxnet.model import IPAddress

_IPV4, _IPV6 = 4, 6
_SOL_RAW: Final = 255
_ICMP_FILTER, _ICMP6_FILTER = 1, 1
"""Options that take the types that are not to be let through, a bit each: linux/icmp.h, RFC 3542, section 3.2."""

_IP_PKTINFO: Final = 8  # linux/in.h
_SO_ATTACH_FILTER: Final = 26  # asm-generic/socket.h

_MARK: Final = struct.Struct("!II")

_MOST: Final = 512
"""Replies that are read in one go: whoever floods with them gets no more of us."""

_LONGEST = 2048

# Classic BPF (linux/bpf_common.h): A is the accumulator, X the index register.
_A_HALF, _A_WORD = 0x48, 0x40  # A = what is at X + k
_X_IS, _X_IP_HEADER = 0x01, 0xB1  # X = k; X = the length of the IPv4 header at k
_IF_EQUAL, _RETURN = 0x15, 0x06
_AT_IDENTIFIER, _AT_PAYLOAD = 4, 8


class Reply(NamedTuple):
    """An echo reply: who sent it, the request's number, and what was sent with that."""

    remote: IPAddress
    number: int
    payload: bytes


class Echo:
    """The sockets of both families."""

    def __init__(self, sockets: dict[int, socket.socket], missing: dict[int, str]) -> None:
        self._sockets = sockets
        self._identifier = secrets.randbits(16)
        self.missing: Final = missing
        """Why there is none, by the version of IP."""
        self.listen(to=False)
        self.renew()

    @classmethod
    def open(cls) -> Self:
        """Open them, which takes CAP_NET_RAW: what there is not, and why, is `missing`."""
        sockets, missing = {}, {}
        for version, family, protocol in (
            (_IPV4, socket.AF_INET, socket.IPPROTO_ICMP),
            (_IPV6, socket.AF_INET6, socket.IPPROTO_ICMPV6),
        ):
            try:
                opened = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
            except OSError as error:
                missing[version] = str(error.strerror)
            else:
                sockets[version] = opened
        return cls(sockets, missing)

    def listen(self, *, to: bool) -> None:
        """Let replies through from now on, or (not ``to``) nothing."""
        for version, each in self._sockets.items():
            if version == _IPV4:
                blocked = ~(1 << ECHO_REPLY if to else 0) & 0xFFFFFFFF
                each.setsockopt(_SOL_RAW, _ICMP_FILTER, struct.pack("=I", blocked))
                continue
            words = [0xFFFFFFFF] * 8
            if to:
                words[ECHO_REPLY_6 // 32] &= ~(1 << ECHO_REPLY_6 % 32)
            each.setsockopt(socket.IPPROTO_ICMPV6, _ICMP6_FILTER, struct.pack("=8I", *words))

    def renew(self) -> None:
        """Let no reply through any more but to what is asked from now on."""
        self._mark = secrets.token_bytes(_MARK.size)
        for version, each in self._sockets.items():
            _let_through(each, _only(version, self._identifier, self._mark))

    @property
    def filenos(self) -> list[int]:
        """What to wait on."""
        return [each.fileno() for each in self._sockets.values()]

    def ask(self, remote: IPAddress, source: IPAddress, number: int, payload: bytes) -> bool:
        """Send a request from an address of ours; tell whether the kernel took it: there may be no way there."""
        used = self._sockets.get(remote.version)
        if used is None:
            return False
        kind = IcmpEcho if isinstance(remote, IPv4Address) else Icmp6Echo
        message = kind(identifier=self._identifier, sequence=number, payload=self._mark + payload).encode()
        try:
            used.sendmsg([message], [_from(source)], 0, (str(remote), 0))
        except OSError:
            return False
        return True

    def hear(self) -> list[Reply]:
        """Return the replies that have arrived."""
        return [reply for version, each in self._sockets.items() for reply in self._read(version, each)]

    def _read(self, version: int, each: socket.socket) -> Iterator[Reply]:
        for _ in range(_MOST):
            try:
                data, (source, *_) = each.recvfrom(_LONGEST)
            except OSError:
                break
            # With IPv4 the IP header comes along, with IPv6 it does not.
            kind, begin = (IcmpEcho, 4 * (data[0] & 15)) if version == _IPV4 else (Icmp6Echo, 0)
            try:
                message = kind.parse(data[begin:])
            except MalformedError:
                continue
            # Also what was let through a moment ago, with another mark, is here.
            if message.reply and message.identifier == self._identifier and message.payload.startswith(self._mark):
                yield Reply(ip_address(source), message.sequence, message.payload[_MARK.size :])

    def close(self) -> None:
        """Close the sockets."""
        for each in self._sockets.values():
            each.close()


def _from(source: IPAddress) -> tuple[int, int, bytes]:
    """Return what has the kernel send from this address (ip(7) and ipv6(7): struct in_pktinfo, in6_pktinfo)."""
    if isinstance(source, IPv4Address):
        return socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("=I4s4x", 0, source.packed)
    return socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, struct.pack("=16sI", source.packed, 0)


class _Program(ctypes.Structure):
    """A struct sock_fprog (linux/filter.h)."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def _only(version: int, identifier: int, mark: bytes) -> bytes:
    """Return a filter that takes replies with this identifier whose payload begins with ``mark``.

    A load from beyond the end of a packet ends the program, and the packet is not taken.
    """
    begin = (_X_IP_HEADER, 0, 0, 0) if version == _IPV4 else (_X_IS, 0, 0, 0)
    first, second = _MARK.unpack(mark)
    steps = (
        begin,
        (_A_HALF, 0, 0, _AT_IDENTIFIER),
        (_IF_EQUAL, 0, 5, identifier),
        (_A_WORD, 0, 0, _AT_PAYLOAD),
        (_IF_EQUAL, 0, 3, first),
        (_A_WORD, 0, 0, _AT_PAYLOAD + 4),
        (_IF_EQUAL, 0, 1, second),
        (_RETURN, 0, 0, 0xFFFFFFFF),  # all of it
        (_RETURN, 0, 0, 0),
    )
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _let_through(each: socket.socket, code: bytes) -> None:
    """Have the kernel give a socket what the filter takes, in place of one it may have."""
    each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(_Program(len(code) // 8, code)))
