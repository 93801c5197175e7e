# SPDX-License-Identifier: Apache-2.0
"""A process that does harm from where it is started, so that the measuring process has a CPU to measure on.

attacker.py send DEVICE COUNT      the frames on stdin (hexadecimal, a line each), in turn, COUNT in all, at once
attacker.py reflect ADDRESS PORT   whatever comes to a UDP port goes back to that port of its sender, until it is ended
"""

from __future__ import annotations

import socket
import sys


def send(device: str, count: int) -> None:
    """Send the frames as fast as the device takes them."""
    frames = [bytes.fromhex(line) for line in sys.stdin.read().split()]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((device, 0))
        for number in range(count):
            sock.send(frames[number % len(frames)])


def reflect(address: str, port: int) -> None:
    """Send everything back."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((address, port))
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            packet, sender = sock.recvfrom(65535)
            sock.sendto(packet, (sender[0], port))


if __name__ == "__main__":
    what, where, number = sys.argv[1:]
    {"send": send, "reflect": reflect}[what](where, int(number))
