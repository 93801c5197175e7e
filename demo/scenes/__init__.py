# SPDX-License-Identifier: Apache-2.0
"""The scenes, in the order in which they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from demo.scenes import routed, tenants, three_vteps, two_hosts

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.narration import Narrator


class Scene(NamedTuple):
    """One scene: ``play`` tells it, and leaves nothing behind but its captures."""

    letter: str
    name: str
    title: str
    play: Callable[[Narrator], None]


SCENES = (
    Scene("a", "two-hosts", "Two hosts, one segment", two_hosts.play),
    Scene("b", "three-vteps", "Three VTEPs learn where A and B are", three_vteps.play),
    Scene("c", "tenants", "Two tenants with the same addresses", tenants.play),
    Scene("d", "routed", "A router between the hosts", routed.play),
)
