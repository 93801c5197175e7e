# SPDX-License-Identifier: Apache-2.0
"""Telling whoever started the daemon how it is (sd_notify(3)): systemd, or `vxnet ovs-vswitchd --detach`."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify(state: str) -> None:
    """Send one datagram, if anybody wants it."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        # `--detach` wants to know until all is ready, and has gone then.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel, suppress(ConnectionRefusedError):
            channel.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)
