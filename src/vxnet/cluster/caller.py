# SPDX-License-Identifier: Apache-2.0
"""Who asks: what every decision about who may see and do what is made on."""

from __future__ import annotations

import msgspec

from vxnet.cluster.records import Role
from vxnet.errors import VxnetError


class UnauthenticatedError(VxnetError):
    """Nobody we know: HTTP's 401. It never says what of it was wrong, nor what was sent."""


class TooManyLoginsError(VxnetError):
    """Who asks cannot be looked into now: HTTP's 503."""


class Caller(msgspec.Struct, frozen=True):
    """A user or token of a project in a role; or, with ``host``, the agent of that host, which has no project."""

    name: str
    project_id: str
    role: Role
    host: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether all projects are theirs to see and change."""
        return self.role == "admin" and not self.host

    @property
    def may_write(self) -> bool:
        """Whether they may change anything."""
        return self.role != "reader" and not self.host

    def owns(self, project_id: str) -> bool:
        """Whether what belongs to this project is theirs."""
        return self.is_admin or (not self.host and project_id == self.project_id)
