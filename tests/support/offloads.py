# SPDX-License-Identifier: Apache-2.0
"""What ethtool can switch on and off at a device, and plans by which several devices go through the combinations.

run     a: eth0            h1: tap-a           h1: eth0          ...       every device goes through all combinations
 0      tx sg -  gso       -  sg tso -         tx -  -   -                 of the features that depend on each other, in
 1      -  -  -  gso       tx sg tso gso       -  sg tso gso               an order of its own; so each run brings other
 2      ...                                                                combinations of different devices together
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vxnet.lab import Node

Features = dict[str, bool]
"""Whether each is to be on."""

_SEGMENTATION = (
    "tx-tcp-segmentation",
    "tx-tcp-ecn-segmentation",
    "tx-tcp6-segmentation",
    "tx-tcp-accecn-segmentation",  # since Linux 6.16
)

TOGETHER: Mapping[str, tuple[str, ...]] = {
    "rx": ("rx-checksumming",),
    "tx": ("tx-checksum-ip-generic",),
    "sg": ("tx-scatter-gather", "tx-scatter-gather-fraglist"),
    "tso": _SEGMENTATION,
    "gso": ("generic-segmentation-offload",),
    "gro": ("generic-receive-offload",),
    "uso": ("tx-udp-segmentation",),
}
"""What depends on each other: segmentation needs checksums and scatter-gather, GRO makes what GSO takes apart."""


class Device(NamedTuple):
    """A device of a lab, and what is to stay off at it."""

    node: Node
    name: str
    stays_off: frozenset[str] = frozenset()

    def __str__(self) -> str:
        """Return where it is and its name."""
        return f"{self.node.name}:{self.name}"


def changeable(device: Device) -> Features:
    """Return all that can be changed at the device, as it is now, but for what is to stay off."""
    return {
        name: bool(state["requested"])
        for name, state in _features(device).items()
        if state["fixed"] is False and name not in device.stays_off
    }


def change(device: Device, features: Features) -> None:
    """Ask for these features. What they need and is off keeps them from taking effect, and is not an error here."""
    words = [word for name, on in features.items() for word in (name, ("off", "on")[on])]
    # It fails if nothing at all comes of it; whether all was understood is asked of the kernel.
    device.node.run("ethtool", "-K", device.name, *words, check=False)
    asked = {name: state["requested"] for name, state in _features(device).items() if name in features}
    assert asked == features, f"{device}: {set(features.items()) - set(asked.items())}"


def _features(device: Device) -> dict[str, dict[str, bool | None]]:
    (found,) = json.loads(device.node.run("ethtool", "--json", "-k", device.name).stdout)
    return {name: state for name, state in found.items() if isinstance(state, dict)}


def plan(device: Device, seed: str) -> Iterator[Features]:
    """Yield what to ask of the device in each run: all combinations of TOGETHER's keys, and the rest by chance."""
    there = changeable(device)
    groups = [[name for name in names if name in there] for names in TOGETHER.values()]
    others = sorted(set(there).difference(*groups))
    chance = random.Random(f"{seed} {device}")
    combinations = list(range(1 << len(groups)))
    chance.shuffle(combinations)
    for combination in combinations:
        grouped = {name: bool(combination >> bit & 1) for bit, group in enumerate(groups) for name in group}
        yield grouped | {name: chance.random() < 1 / 2 for name in others}


def plans(devices: Sequence[Device], seed: str) -> Iterator[dict[Device, Features]]:
    """Yield each run's features of all devices."""
    for run in zip(*(plan(device, seed) for device in devices), strict=True):
        yield dict(zip(devices, run, strict=True))


def describe(run: Mapping[Device, Features]) -> str:
    """Return a run's features as the commands that bring them about."""
    return "\n".join(
        f"{device.node.name}: ethtool -K {device.name} "
        + " ".join(f"{name} {('off', 'on')[on]}" for name, on in features.items())
        for device, features in run.items()
    )
