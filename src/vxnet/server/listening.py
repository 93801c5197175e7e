# SPDX-License-Identifier: Apache-2.0
"""The socket that a server listens on, its certificate, and what may be wrong with either, in words."""

from __future__ import annotations

import errno
import socket
import ssl
from ipaddress import ip_address
from typing import TYPE_CHECKING

from vxnet.errors import ConfigError, HostError

if TYPE_CHECKING:
    from vxnet.server.options import Address, Tls

_CURES = {
    errno.EADDRINUSE: "another program listens there; `ss -ltnp` shows which. End it, or give --listen another port",
    errno.EADDRNOTAVAIL: "this host does not have that address; `ip address` shows which it has",
    errno.EACCES: "ports below 1024 are root's; give --listen another",
}


def bound(address: Address) -> socket.socket:
    """Return a TCP socket that has the address, and does not listen yet. HostError says why it cannot have it."""
    try:
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        what = getattr(error, "strerror", "") or "no name can be so"
        raise HostError(f"listen {address}: {address.host} is no address of a host: {what.lower()}") from None
    family, kind, protocol, _, place = found[0]
    there = socket.socket(family, kind, protocol)
    try:
        there.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        there.bind(place)
    except OSError as error:
        there.close()
        what = (error.strerror or str(error)).lower()
        cure = _CURES.get(error.errno or 0, "give --listen another address")
        raise HostError(f"listen {address}: {what}; {cure}") from None
    return there


def is_local(there: socket.socket) -> bool:
    """Tell whether only this host reaches the socket."""
    return ip_address(there.getsockname()[0].partition("%")[0]).is_loopback


def url_of(there: socket.socket, scheme: str) -> str:
    """Return where others reach the socket: its address, or, if it has all, this host's name."""
    host, port = there.getsockname()[:2]
    if ip_address(host.partition("%")[0]).is_unspecified:
        host = socket.getfqdn()
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class Certificate:
    """What TLS is spoken with: TLS 1.2 or later."""

    def __init__(self, tls: Tls) -> None:
        """Read the files. ConfigError names the one that is wrong."""
        self._tls = tls
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.read()

    def read(self) -> None:
        """Read the files anew: connections from now on get what is in them. ConfigError: what was is kept."""
        for path in (self._tls.cert, self._tls.key):
            try:
                path.open("rb").close()
            except OSError as error:
                raise ConfigError(f"{path}: the certificate or key cannot be read: {error.strerror}") from None

        def no_password() -> str:  # else OpenSSL asks the terminal for one
            raise ConfigError(f"{self._tls.key}: the key is encrypted; `openssl pkey` makes one that is not")

        try:
            # Into another one first: half of a new pair would be worse than the old one.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._tls.cert, self._tls.key, no_password)
            self.context.load_cert_chain(self._tls.cert, self._tls.key, no_password)
        except ssl.SSLError as error:
            what = (error.reason or "they are not in PEM").replace("_", " ").lower()
            raise ConfigError(f"{self._tls.cert} and {self._tls.key} are no certificate with its key: {what}") from None
