# SPDX-License-Identifier: Apache-2.0
"""The parts of the lab that need no namespace: waiting, ping's result, names."""

from __future__ import annotations

import pytest

import vxnet.lab
from vxnet.errors import ConfigError, LabError
from vxnet.lab import Lab, Ping, wait_until


def test_public_names() -> None:
    """What `vxnet.lab` offers is what is documented, and no more."""
    assert vxnet.lab.__all__ == ["Capture", "Lab", "Node", "Ping", "Tap", "Topology", "wait_until"]


def test_wait_returns_the_answer() -> None:
    """Waiting ends with the first true answer, and returns it."""
    answers = iter(["", 0, None, "here"])
    assert wait_until(lambda: next(answers)) == "here"


def test_wait_in_vain() -> None:
    """Waiting too long is an error that says for what."""
    with pytest.raises(LabError, match=r"waited 0\.02 s in vain for the moon"):
        wait_until(lambda: False, timeout=0.02, what="the moon")


def test_wait_asks_once_even_without_time() -> None:
    """A condition that holds already is never too late."""
    assert wait_until(lambda: True, timeout=0)


def test_ping_is_true_when_nothing_is_lost() -> None:
    """One lost request makes a ping false."""
    assert Ping(2, (0.1, 0.1))
    assert not Ping(2, (0.1,))
    assert (Ping(3, (0.1,)).received, Ping(3, (0.1,)).lost) == (1, 2)


def test_unique_labs_differ() -> None:
    """Two labs with one prefix have different names."""
    assert Lab.unique("x").name != Lab.unique("x").name


def test_a_lab_needs_a_name_for_namespaces() -> None:
    """A lab's name must be able to begin the name of a namespace."""
    with pytest.raises(ConfigError, match="name: 'a/b'"):
        Lab("a/b")


def test_unknown_node() -> None:
    """Asking for a node that is not there names those that are."""
    with pytest.raises(LabError, match="no node 'h9'"):
        Lab("x")["h9"]
