# SPDX-License-Identifier: Apache-2.0
"""The errors a person can meet.

    VxnetError                 one line for stderr, exit code 1
      + ConfigError            a host or topology file says something that cannot be: names file, field and value
      + HostError              the machine is not as the file needs it: a device, an address, a privilege, a tool
      + KernelError            the kernel refused an operation: names the operation and the errno
          + MapFullError       a map has no room for another element: names the map
      + ControlError           the daemon could not be reached, or answered with an error
      + LabError               a lab could not be built, or a command in it failed

Each is raised with one line of text for people; see `VxnetError`.
"""

from __future__ import annotations


class VxnetError(Exception):
    """Base of every error meant for a person: ``str(error)`` is one line naming the thing and the cure."""


class ConfigError(VxnetError):
    """A file says something that cannot be; the message is ``FILE: FIELD: what is wrong with VALUE``."""


class HostError(VxnetError):
    """The host is not as the file needs it (device missing or busy, address on no device, not root, ...)."""


class KernelError(VxnetError):
    """The kernel refused an operation."""


class MapFullError(KernelError):
    """An eBPF map has no room for another element; ``name`` is the map's."""

    def __init__(self, name: str, elements: int) -> None:
        """``elements`` are what it can hold."""
        super().__init__(f"eBPF map {name} is full: it holds {elements} elements")
        self.name = name


class ControlError(VxnetError):
    """The daemon could not be reached over its control socket, or it reported a failure."""


class LabError(VxnetError):
    """A lab could not be built or torn down, or a command inside it failed."""
