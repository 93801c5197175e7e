# SPDX-License-Identifier: Apache-2.0
"""A process that does harm from where it is started, so that the measuring process has a CPU to measure on.

attacker.py send DEVICE COUNT            the frames on stdin (hexadecimal, a line each), in turn, COUNT in all, at once
attacker.py relay OWN[,ONE,OTHER] PORT   whatever comes to a UDP port goes back to that port of its sender, or what is
                                         from one to the other; until it is ended
"""

from __future__ import annotations

import socket
import sys

SO_RCVBUFFORCE = 33
"""asm-generic/socket.h."""


def send(device: str, count: int) -> None:
    """Send the frames as fast as the device takes them."""
    frames = [bytes.fromhex(line) for line in sys.stdin.read().split()]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((device, 0))
        for number in range(count):
            sock.send(frames[number % len(frames)])


def relay(addresses: str, port: int) -> None:
    """Send everything to the next of the addresses behind the own one, or back if there is no other."""
    own, *others = addresses.split(",")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        sock.bind((own, port))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            packet, (sender, _) = sock.recvfrom(65535)
            to = next((other for other in others if other != sender), sender)
            sock.sendto(packet, (to, port))


if __name__ == "__main__":
    what, where, number = sys.argv[1:]
    {"send": send, "relay": relay}[what](where, int(number))
