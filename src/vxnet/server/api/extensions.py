# SPDX-License-Identifier: Apache-2.0
"""The extensions of the OpenStack Networking API that are really there, by their aliases."""

from __future__ import annotations

from typing import Any, Final

_WHEN = "2026-01-01T00:00:00Z"

EXTENSIONS: Final = {
    "agent": ("Agents", "Agents of hosts: list, show, update, delete."),
    "allowed-address-pairs": ("Allowed Address Pairs", "What may leave a port besides its own."),
    "binding": ("Port Binding", "The host a port is at, and how it is attached there."),
    "empty-string-filtering": ("Filtering by empty texts", "A filter without a value finds what has none."),
    "external-net": ("External networks", "Networks that all projects see."),
    "filter-validation": ("Validation of filters", "Filters that are not known are refused."),
    "ip-substring-filtering": ("Filtering by parts of addresses", "fixed_ips=ip_address_substr=TEXT."),
    "net-mtu": ("Network MTU", "The MTU of a network."),
    "net-mtu-writable": ("Network MTU, writable", "The MTU of a network may be chosen."),
    "pagination": ("Pages", "limit, marker, page_reverse and links."),
    "port-security": ("Port security", "Whether only its own addresses may leave a port."),
    "project-id": ("project_id", "project_id beside tenant_id."),
    "provider": ("Provider networks", "The VNI of a network."),
    "quota-check-limit": ("Quotas above use", "check_limit refuses quotas below what is used."),
    "quota_details": ("Quotas and use", "How much of a quota is used."),
    "quotas": ("Quotas", "How much a project may have."),
    "revision-if-match": ("If-Match", "If-Match: revision_number=N."),
    "sort-key-validation": ("Validation of sort keys", "Sort keys that are not known are refused."),
    "sorting": ("Sorting", "sort_key and sort_dir."),
    "standard-attr-description": ("Descriptions", "A description of everything."),
    "standard-attr-revisions": ("Revisions", "revision_number counts changes."),
    "standard-attr-tag": ("Tags", "Tags of networks, subnets and ports, and filters by them."),
    "standard-attr-timestamp": ("Times", "created_at and updated_at."),
    "subnet-external-network": ("Subnets of external networks", "All projects see them."),
}
"""What each is called, and does, by its alias."""


def shown(alias: str) -> dict[str, Any]:
    """Return an extension as the API shows it."""
    name, description = EXTENSIONS[alias]
    return {"alias": alias, "name": name, "description": description, "updated": _WHEN, "links": []}
