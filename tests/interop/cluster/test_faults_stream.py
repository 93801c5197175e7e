# SPDX-License-Identifier: Apache-2.0
"""The way between agents and their server is cut, and the server goes: hosts go on, and learn what they missed.

h1, h2 -- agents' streams --> [ way ] --> vxnet server
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.talking import BACK, all_agree, bound, knows, talk, unbroken
from tests.support.way import Way
from vxnet.lab import Lab
from vxnet.lab.cloud import CONTROL, PORT, Cloud

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.way import Stream

AT = PORT + 100


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cloud, Way]]:
    """Build a cloud of two hosts that talk, and whose agents go by the way."""
    with Lab.unique("cut") as lab:
        cloud = Cloud(lab, tmp_path_factory.mktemp("cloud"), 2, way=f"http://{CONTROL}:{AT}")
        with Way(cloud.control, CONTROL, AT, PORT) as way, cloud:
            talk(cloud)
            yield cloud, way


@pytest.fixture
def cloud(built: tuple[Cloud, Way]) -> Cloud:
    """Return the cloud."""
    return built[0]


@pytest.fixture
def way(built: tuple[Cloud, Way]) -> Iterator[Way]:
    """Return the way, which is whole again after each test, and then no difference is left."""
    cloud, way = built
    way.streams.clear()
    yield way
    way.mend()
    all_agree(cloud)


def come(cloud: Cloud, way: Way) -> dict[str, Stream]:
    """Wait until both agents are told something again; return those streams. What was missed is told first."""

    def told() -> dict[str, Stream]:
        return {stream.host: stream for stream in way.streams if b'{"type":' in stream.said}

    cloud.wait(lambda: told().keys() == {"h1", "h2"}, "the agents to be told", BACK)
    return told()


def test_a_stream_that_was_cut_goes_on(cloud: Cloud, way: Way) -> None:
    """Cut for a moment, an agent asks for what came after the last it had, and is told that alone."""
    network = cloud.get("/v2.0/networks?name=blue")["networks"][0]["id"]
    with unbroken(cloud):
        way.cut()
        port = bound(cloud, network, "meanwhile", "h1")
        way.mend()
        knows(cloud, "h1", port, BACK)
        again = come(cloud, way)
    assert all(stream.after for stream in again.values())
    assert not any(stream.is_whole for stream in again.values())
    assert port.encode() in again["h1"].said
    assert port.encode() in again["h2"].said
    assert cloud.ask("DELETE", f"/v2.0/ports/{port}").status_code == 204


def test_it_is_cut_again_and_again(cloud: Cloud, way: Way) -> None:
    """However often it is cut while changes come, none is missed: the check finds none (after each test here)."""
    network = cloud.get("/v2.0/networks?name=blue")["networks"][0]["id"]
    made = []
    with unbroken(cloud):
        for n in range(12):
            made.append(bound(cloud, network, f"n{n}", f"h{n % 2 + 1}"))
            way.cut()
            if n % 3 == 2:
                assert cloud.ask("DELETE", f"/v2.0/ports/{made.pop(0)}").status_code == 204
            way.mend()
        all_agree(cloud)
    assert not any(stream.is_whole for stream in way.streams)
    for port in made:
        assert cloud.ask("DELETE", f"/v2.0/ports/{port}").status_code == 204


def test_a_server_that_was_away_tells_everything_anew(cloud: Cloud, way: Way) -> None:
    """One that was started again does not know what came before it: it says how all is, and the hosts go on."""
    network = cloud.get("/v2.0/networks?name=blue")["networks"][0]["id"]
    with unbroken(cloud):
        cloud.server.stop()
        before = way.in_vain
        cloud.wait(lambda: way.in_vain >= before + 6, "the agents to ask in vain", BACK)
        cloud.server.start()
        port = bound(cloud, network, "since", "h2")
        knows(cloud, "h2", port, BACK)
        again = come(cloud, way)
    assert all(stream.after and stream.is_whole for stream in again.values())
    assert cloud.ask("DELETE", f"/v2.0/ports/{port}").status_code == 204


def test_the_link_is_down(cloud: Cloud, way: Way) -> None:
    """With the server's link down nothing ends a connection, and still what was decided meanwhile arrives."""
    network = cloud.get("/v2.0/networks?name=blue")["networks"][0]["id"]
    with unbroken(cloud):
        cloud.control.ip("link", "set", "eth0", "down")
        port = bound(cloud, network, "unheard", "h1")  # from the control host itself
        cloud.control.ip("link", "set", "eth0", "up")
        knows(cloud, "h1", port, BACK)
    assert not any(stream.is_whole for stream in way.streams)
    assert cloud.ask("DELETE", f"/v2.0/ports/{port}").status_code == 204
