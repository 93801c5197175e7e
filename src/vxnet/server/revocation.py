# SPDX-License-Identifier: Apache-2.0
"""A token that is deleted is no use any more to whoever listens already: the streams of its host end.

Agents of that host that have another token come back at once, and miss nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vxnet.cluster.records import Token

if TYPE_CHECKING:
    from vxnet.cluster.hub import Hub
    from vxnet.cluster.replica import Edit, Replica


class Revocation:
    """An observer of the cluster."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def changed(self, revision: int, edits: list[Edit]) -> None:  # noqa: ARG002  (an observer is told)
        """End the streams of hosts that have lost a token."""
        hosts = {edit.old.host for edit in edits if isinstance(edit.old, Token) and edit.new is None}
        if hosts:
            for stream in tuple(self._hub.streams):
                if stream.host in hosts:
                    stream.end()

    def reloaded(self, replica: Replica) -> None:
        """The hub has ended all streams."""
