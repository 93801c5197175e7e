# SPDX-License-Identifier: Apache-2.0
"""The attributes that networks, subnets and ports all have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vxnet.server.api.accept import Attribute
from vxnet.server.api.kinds import DESCRIPTION, ID, NAME, PROJECT

if TYPE_CHECKING:
    from vxnet.cluster.records import Record

TEXT, TEXTS, TIME = (
    {"type": "string"},
    {"type": "array", "items": {"type": "string"}},
    {"type": "string", "format": "date-time"},
)

STANDARD = (
    Attribute(name="id", schema=ID.schema),
    Attribute(name="name", kind=NAME),
    Attribute(name="description", kind=DESCRIPTION),
    Attribute(name="project_id", kind=PROJECT, put=False, admin=True),
    Attribute(name="tenant_id", kind=PROJECT, field="project_id", put=False, admin=True),
    Attribute(name="tags", schema=TEXTS),
    Attribute(name="revision_number", schema={"type": "integer"}),
    Attribute(name="created_at", schema=TIME),
    Attribute(name="updated_at", schema=TIME),
)


def shown(record: Record) -> dict[str, Any]:
    """Return their values."""
    return {
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "project_id": record.project_id,
        "tenant_id": record.project_id,
        "tags": record.tags,
        "revision_number": record.revision_number,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }
