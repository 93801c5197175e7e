# SPDX-License-Identifier: Apache-2.0
"""The UDP source port of a VXLAN packet: a hash of the inner flow, so that the underlay spreads flows over its paths.

RFC 7348, section 5: the port SHOULD come from a hash of fields of the inner frame, from 49152-65535. The eBPF programs
compute the same number, bit by bit; so the words are little-endian, as a load from the packet gives them there.

    inner frame    a                     b                     ports              proto
    -----------    -------------------   -------------------   ----------------   -----------------------
    IPv4           source                destination           L4 bytes 0-3 *     protocol
    IPv6           source words XORed    dest. words XORed     L4 bytes 0-3 *     next header (fixed header)
    other          frame bytes 0-3       frame bytes 4-7       frame bytes 8-11   0

    * 0 unless proto is TCP, UDP or SCTP and the four bytes are there; for IPv4 also 0 unless the first byte is 0x45 (no
      options), and in every fragment, the first included: all fragments of a packet take one path.

    h  =  a * 0x9E3779B97F4A7C15  +  b * 0xC2B2AE3D27D4EB4F  +  (ports ^ proto) * 0x165667B19E3779F9     (mod 2^64)
    h ^= h >> 32;   h *= 0xD6E8FEB86659FD93 (mod 2^64);   h ^= h >> 32
    source port  =  49152 + (h & 0x3fff)

A frame is "IPv4" or "IPv6" by its EtherType (no VLAN tag before it) if the whole fixed IP header is there. Nothing else
in the header is looked at, least of all its lengths.
"""

from __future__ import annotations

from vxnet.packet import ethernet, ip

PORT_MIN = 49152
PORT_MAX = 65535

_MASK64 = 2**64 - 1
_WITH_PORTS = frozenset({ip.TCP, ip.UDP, ip.SCTP})
_IPV4_L4 = ethernet.HEADER_LENGTH + ip.IPV4_HEADER_LENGTH
_IPV6_L4 = ethernet.HEADER_LENGTH + ip.IPV6_HEADER_LENGTH


def source_port(frame: bytes) -> int:
    """Return the outer UDP source port (49152..65535) for this inner Ethernet frame of at least 14 bytes."""
    ethertype = int.from_bytes(frame[12:14], "big")
    if ethertype == ethernet.IPV4 and len(frame) >= _IPV4_L4:
        return _port(*_ipv4_words(frame))
    if ethertype == ethernet.IPV6 and len(frame) >= _IPV6_L4:
        return _port(*_ipv6_words(frame))
    return _port(_word(frame, 0), _word(frame, 4), _word(frame, 8), 0)


def _ipv4_words(frame: bytes) -> tuple[int, int, int, int]:
    protocol = frame[23]
    no_options = frame[14] == ip.VERSION_4_NO_OPTIONS
    fragment = int.from_bytes(frame[20:22], "big") & ip.MORE_OR_OFFSET
    ports = _ports(frame, _IPV4_L4, protocol) if no_options and not fragment else 0
    return _word(frame, 26), _word(frame, 30), ports, protocol


def _ipv6_words(frame: bytes) -> tuple[int, int, int, int]:
    next_header = frame[20]
    a = b = 0
    for i in range(0, 16, 4):
        a ^= _word(frame, 22 + i)
        b ^= _word(frame, 38 + i)
    return a, b, _ports(frame, _IPV6_L4, next_header), next_header


def _ports(frame: bytes, at: int, protocol: int) -> int:
    return _word(frame, at) if protocol in _WITH_PORTS and len(frame) >= at + 4 else 0


def _word(frame: bytes, at: int) -> int:
    return int.from_bytes(frame[at : at + 4], "little")


def _port(a: int, b: int, ports: int, proto: int) -> int:
    h = (a * 0x9E3779B97F4A7C15 + b * 0xC2B2AE3D27D4EB4F + (ports ^ proto) * 0x165667B19E3779F9) & _MASK64
    h ^= h >> 32
    h = h * 0xD6E8FEB86659FD93 & _MASK64
    h ^= h >> 32
    return PORT_MIN + (h & 0x3FFF)
