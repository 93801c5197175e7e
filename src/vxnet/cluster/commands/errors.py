# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with what a caller asks, by Neutron's names and HTTP status codes: clients look at both.

ApiError
  400  InvalidInput
  403  PolicyNotAuthorized
  404  NetworkNotFound  SubnetNotFound  PortNotFound  AgentNotFound  TagNotFound  ...
  409  NetworkInUse  SubnetInUse  TunnelIdInUse  MacAddressInUse  IpAddressInUse  IpAddressGenerationFailure
       OverQuota  AgentInUse
  412  RevisionNumberConstraintFailed
  413  RequestTooLarge
  503  NoNetworkAvailable
"""

from __future__ import annotations

from typing import ClassVar

from vxnet.errors import VxnetError


class ApiError(VxnetError):
    """Base: ``status`` is the HTTP status code; the class's name is the type that clients are told."""

    status: ClassVar[int] = 400


class InvalidInput(ApiError):  # noqa: N818  (Neutron's names, here and below: clients know them)
    """A value that cannot be, or not beside another one."""


class PolicyNotAuthorized(ApiError):  # noqa: N818
    """The caller's role does not allow it."""

    status = 403


class NotFound(ApiError):  # noqa: N818
    """There is no such thing that the caller may know of."""

    status = 404


class NetworkNotFound(NotFound):
    """No such network."""


class SubnetNotFound(NotFound):
    """No such subnet."""


class PortNotFound(NotFound):
    """No such port."""


class AgentNotFound(NotFound):
    """No such agent."""


class TagNotFound(NotFound):
    """The resource does not have the tag."""


class Conflict(ApiError):  # noqa: N818
    """It cannot be now, because of something else that is there."""

    status = 409


class NetworkInUse(Conflict):
    """The network has subnets or ports."""


class SubnetInUse(Conflict):
    """Ports have addresses of the subnet."""


class AgentInUse(Conflict):
    """The agent is alive, or ports are bound to its host."""


class TunnelIdInUse(Conflict):
    """Another network has the VNI."""


class MacAddressInUse(Conflict):
    """Another port of the network has the MAC."""


class IpAddressInUse(Conflict):
    """Another port has the address."""


class IpAddressGenerationFailure(Conflict):
    """No address is free in the pools."""


class OverQuota(Conflict):
    """The project has as many as it may."""


class RevisionNumberConstraintFailed(ApiError):  # noqa: N818
    """The resource was changed since the caller read it."""

    status = 412


class RequestTooLarge(ApiError):  # noqa: N818
    """More than one request, or one transaction of the store, can hold."""

    status = 413


class NoNetworkAvailable(ApiError):  # noqa: N818
    """All VNIs are taken."""

    status = 503
