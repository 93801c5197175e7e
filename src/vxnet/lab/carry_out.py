# SPDX-License-Identifier: Apache-2.0
"""Carrying out steps on the machine: neighbouring commands of one namespace go to a single ``ip -batch``."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from vxnet.errors import HostError, LabError
from vxnet.lab.netns import entered
from vxnet.lab.steps import Ip, Sysctl, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from vxnet.lab.steps import Step

    Told = Callable[[Step], object]


def carry_out(
    steps: Iterable[Step],
    echo: Callable[[str], object] | None = None,
    done: Callable[[Step], object] = lambda step: step,
) -> None:
    """Carry out ``steps`` in order.

    ``echo`` is told the commands as one would type them, ``done`` each step that succeeded. Raises LabError, naming
    the command, at the first that fails.
    """
    for (_, namespace), group in itertools.groupby(steps, lambda step: (type(step), step.namespace)):
        together = list(group)
        commands = [step for step in together if isinstance(step, Ip)]
        settings = [step for step in together if isinstance(step, Sysctl) and _known(step)]
        if echo:
            for line in [str(command) for command in commands] or [typed(settings)]:
                echo(line)
        if commands:
            _run_batch(namespace, commands, done)
        else:
            _set(namespace, settings, done)


def _run_batch(namespace: str, commands: Sequence[Ip], done: Told) -> None:
    inside = ("-n", namespace) if namespace else ()
    batch = "".join(shlex.join(command.words) + "\n" for command in commands)
    try:
        result = subprocess.run(
            ("ip", *inside, "-batch", "-"), input=batch, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise HostError("ip is not installed (Debian: apt-get install iproute2)") from None
    failed = re.search(r"Command failed -:(\d+)", result.stderr)
    succeeded = len(commands) if result.returncode == 0 else int(failed[1]) - 1 if failed else 0
    for command in commands[:succeeded]:
        done(command)
    if succeeded < len(commands):
        reason = result.stderr.partition("Command failed")[0].strip().replace("\n", "; ")
        raise LabError(f"{commands[succeeded]}: {reason}")


def _set(namespace: str, settings: Sequence[Sysctl], done: Told) -> None:
    """Each thread sees the settings of its own namespace under /proc/sys/net."""
    with entered(namespace):
        for setting in settings:
            try:
                _path(setting).write_text(setting.value, encoding="ascii")
            except OSError as error:
                raise LabError(f"{setting}: {error.strerror}") from None
            done(setting)


def _known(setting: Sysctl) -> bool:
    """Whether to make this setting: an optional one only where the kernel has it (the same in every namespace)."""
    return not setting.optional or _path(setting).exists()


def _path(setting: Sysctl) -> Path:
    return Path("/proc/sys", *setting.key.split("."))
