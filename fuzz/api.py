# SPDX-License-Identifier: Apache-2.0
"""The API of a real `vxnet server`: requests down to their bytes, and bodies that fit no document.

requests.py --bytes over TCP--> [ vxnet server, SQLite ]
                                     |-- each time     an answer below 500, in Neutron's words if it refuses
                                     |                 refused: the cluster's checksum is what it was
                                     '-- at the end    all can be deleted; `vxnet cluster check`; no traceback
"""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
from collections import Counter
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from fuzz import corpus
from fuzz.exploring import explore
from fuzz.requests import Request, requests
from vxnet.lab.apiserver import ApiServer
from vxnet.lab.vswitch import vxnet

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "api"

REQUESTS = 150
"""How many a round sends."""

PATIENCE = 30.0
"""Seconds an answer may take."""

GLANCE = 0.3
"""Seconds that are waited for an answer that need not come: the request was broken."""

HOST = "h1"
MEMBER, READER = "alice", "rita"


def run(rounds: Iterable[int], count: int = REQUESTS) -> Counter[str]:
    """Send the corpus, then what is made up, to a server of their own; return how often there was which answer."""
    seen: Counter[str] = Counter()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        server = stack.enter_context(ApiServer(Path(folder), f"sqlite://{folder}/cluster.db"))
        there = stack.enter_context(closing(Served(server)))
        for data in corpus.kept(NAME).values():
            seen[there.asked(Request(data, is_whole=False))] += 1
        for number in rounds:
            there.furnish()

            def check(request: Request) -> None:
                seen[there.asked(request)] += 1

            explore(requests(), check, seed=number, count=count)
            there.clear()
        there.check()
    return seen


class Served:
    """The server, who may ask it, and what is there: requests name things by words, see `_filled`."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._words = {
            "ROOT": server.add_token("root", "operators", "admin"),
            "MEMBER": server.add_token(MEMBER, "red", "member"),
            "READER": server.add_token(READER, "red", "reader"),
            "AGENT": server.agent_token(HOST),
        }
        self._root = httpx.Client(
            base_url=server.url, headers={"X-Auth-Token": self._words["ROOT"]}, timeout=PATIENCE, trust_env=False
        )
        self._address = (self._root.base_url.host, self._root.base_url.port)

    def close(self) -> None:
        """Let go of the connection."""
        self._root.close()

    def furnish(self) -> None:
        """Make one thing of each kind."""
        network = self._made("network", {"name": "there", "project_id": "red"})
        subnet = self._made("subnet", {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"})
        port = self._made("port", {"network_id": network, "binding:host_id": HOST})
        self._words |= {"NETWORK": network, "SUBNET": subnet, "PORT": port}

    def _made(self, kind: str, values: dict[str, Any]) -> str:
        made: str = self._root.post(f"/v2.0/{kind}s", json={kind: values}).raise_for_status().json()[kind]["id"]
        return made

    def clear(self) -> None:
        """Delete everything, whatever has become of it: nothing that was made cannot be taken away."""
        for kind in ("ports", "subnets", "networks"):
            for thing in self._root.get(f"/v2.0/{kind}").raise_for_status().json()[kind]:
                self._root.delete(f"/v2.0/{kind}/{thing['id']}").raise_for_status()
        for quota in self._root.get("/v2.0/quotas").raise_for_status().json()["quotas"]:
            self._root.delete(f"/v2.0/quotas/{quota['project_id']}")

    def check(self) -> None:
        """Run `vxnet cluster check`. The hosts are made up, and cannot say what they hold; nothing else may differ."""
        command = (*vxnet(), "cluster", "check", "--json", "--store", self._server.store)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = json.loads(done.stdout)["differences"]
        assert [one for one in found if one["what"] != "its agent does not answer"] == []
        assert "Traceback" not in self._server.log(), self._server.log()[-3000:]

    # ---- one request -------------------------------------------------------------------------------------------------

    def asked(self, request: Request) -> str:
        """Send one, hold the answer to what is said above, and return its status, or why there is none."""
        try:
            return self._asked(request)
        except Exception as error:
            error.add_note(f"the request is {corpus.found(NAME, request.data)}: {request.data[:500]!r}")
            raise

    def _asked(self, request: Request) -> str:
        before = self._digest()
        answer = self._answer(request)
        if not answer:
            assert not request.is_whole, "there is no answer"
            return "no answer"
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        assert status < 500, answer[:1000]
        if status < 400:
            return str(status)
        assert self._digest() == before, f"it was refused ({status}), and done"
        if b"application/json" in head and body:
            error = msgspec.json.decode(body)["NeutronError"]
            assert error["message"]
            assert error["type"]
        return str(status)

    def _digest(self) -> str:
        """Return the checksum of all records; whatever else is done meanwhile, nobody else writes any."""
        digest: str = self._root.post("/cluster/v1/audit").raise_for_status().json()["digest"]
        return digest

    def _answer(self, request: Request) -> bytes:
        with socket.create_connection(self._address, timeout=PATIENCE if request.is_whole else GLANCE) as connection:
            with suppress(BrokenPipeError, ConnectionResetError):  # it may have heard enough
                connection.sendall(self._filled(request.data))
            answer, length = b"", None
            with suppress(TimeoutError, ConnectionResetError):
                while (length is None or len(answer) < length) and (more := connection.recv(1 << 16)):
                    answer += more
                    length = _length(answer, request.data)
            return answer[:length]

    def _filled(self, data: bytes) -> bytes:
        """Put the tokens and ids of this server in the place of their words, ``@ROOT@``; lengths follow."""
        for word, value in self._words.items():
            data = data.replace(f"@{word}@".encode(), value.encode())
        head, end, body = data.partition(b"\r\n\r\n")
        return head.replace(b"@LENGTH@", str(len(body)).encode()) + end + body


def _length(answer: bytes, asked: bytes) -> int | None:
    """Return how long the first answer is, which another may follow; a stream's head will do. None: not known yet."""
    head, end, _ = answer.partition(b"\r\n\r\n")
    if not end or head.startswith(b"HTTP/1.1 100"):
        return None
    headers = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
    endless = asked.startswith(b"HEAD ") or b"transfer-encoding" in headers
    return len(head + end) + (0 if endless else int(headers.get(b"content-length", b"0")))
