# SPDX-License-Identifier: Apache-2.0
"""`vxnet plan HOST.toml`: what `vxnet up` would change, and why; changes nothing.

+ segment blue  vni 5001 remotes 192.168.146.136  (not on this host yet)
~ segment red  (ageing: 300 -> 60)
- port tap-a  segment blue  (no longer in the desired state)
1 to add, 1 to change, 1 to remove
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import msgspec

from vxnet import plan as planning
from vxnet.cli.options import RUN_DIR, HostFile, Json, RunDir
from vxnet.cli.output import bold, coloured, print_json, print_lines
from vxnet.datapath.actual import read
from vxnet.datapath.checks import check
from vxnet.datapath.kernel import require_root
from vxnet.dead import dead_in, leaving_out
from vxnet.errors import HostError
from vxnet.model import Bfd, FdbEntry, Neighbour, Port, Segment, Vtep
from vxnet.plan import Change, Value, name_of
from vxnet.sources import hostfile
from vxnet.sources.known import known

_MARKS = {"add": ("+", "green"), "change": ("~", "yellow"), "remove": ("-", "red")}
_NAMES = {Vtep: "local", Bfd: "vni", Port: "device", FdbEntry: "mac", Neighbour: "address"}
"""The field that names a value and stands beside its kind, where that is not ``name``."""


def plan(host_file: HostFile, run_dir: RunDir = RUN_DIR, as_json: Json = False) -> None:
    """Show what `vxnet up` would change, and why. Changes nothing."""
    desired = hostfile.load(host_file)
    require_root()
    try:
        check(desired, run_dir)
    except HostError as error:
        raise HostError(f"{host_file}: {error}") from None
    actual = read(run_dir)
    # Who is dead is found out by the daemon, and no file says it.
    changes = planning.plan(leaving_out(desired, dead_in(actual.asked_for())), actual)
    if as_json:
        print_json(changes)
    else:
        print_lines(lines(changes))


def lines(changes: Sequence[Change]) -> Iterator[str]:
    """Yield a line for each change, in the order in which they are made, and their number."""
    if not changes:
        yield "nothing to change"
        return
    for change in changes:
        mark, colour = _MARKS[change.action]
        title = coloured(f"{mark} {change.kind} {_name(change.value)}", colour)
        # A change's reason tells the fields that differ; the others stay.
        details = "" if change.action == "change" else " ".join(_details(change.value))
        yield "  ".join(filter(None, (title, details, f"({change.reason})")))
    numbers = Counter[str](change.action for change in changes)
    yield bold(", ".join(f"{numbers[action]} to {action}" for action in _MARKS))


def _name(value: Value) -> str:
    return str(getattr(value, _NAMES.get(type(value), "name"), name_of(value)))


def _details(value: Value) -> Iterator[str]:
    """Yield each setting that is not the default, in the host file's words: ``vni 5001``.

    That a segment takes packets from its remotes alone goes without saying.
    """
    if isinstance(value, Segment) and value.senders == known(value.remotes):
        value = msgspec.structs.replace(value, senders=None)
    for field in msgspec.structs.fields(value):
        content = getattr(value, field.name)
        if field.name == _NAMES.get(type(value), "name") or content == field.default:
            continue
        match content:
            case bool():
                yield f"{field.name} {'on' if content else 'off'}"
            case tuple():
                yield f"{field.name} {' '.join(map(str, content))}"
            case _:
                yield f"{field.name} {content}"
