# SPDX-License-Identifier: Apache-2.0
"""Host files that are nearly right: a state, or one line that names the place. Never a traceback.

examples/*.host.toml --lines, keys, values, bytes changed--> load --> HostState --dump, load--> the same
                                                                 `-> ConfigError, one line
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from fuzz import corpus
from fuzz.exploring import explore
from vxnet.errors import ConfigError
from vxnet.sources import hostfile
from vxnet.switch.switch import Switch

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "hostfile"

FILES = 200
"""How many a round tries."""

EXAMPLES = Path(__file__).parents[1] / "examples"

_RICH = """
[vtep]
local = "192.0.2.1"
local6 = "fd00::1"
dstport = 8472
[[segments]]
name = "blue"
vni = 5001
remotes = ["192.0.2.2", "fd00::2"]
accept = "any"
accept_from = ["192.0.2.0/24", "fd00::/64"]
ageing = 0
learning = false
maxaddress = 1
[[segments]]
name = "red"
vni = 5002
group = "239.1.1.1"
[[ports]]
device = "tap0"
segment = "blue"
[[fdb]]
segment = "blue"
mac = "52:54:00:12:34:56"
port = "tap0"
[[fdb]]
segment = "red"
mac = "52:54:00:AB:CD:EF"
remote = "192.0.2.3"
"""
"""A file that has every key."""


def run(rounds: Iterable[int], count: int = FILES) -> Counter[str]:
    """Try the corpus, then mutated files; return how many were taken, and how many refused."""
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "host.toml"

        def check(data: bytes) -> None:
            try:
                seen[examine(path, data)] += 1
            except Exception as error:
                error.add_note(f"the input is {corpus.found(NAME, data)}")
                raise

        for data in corpus.kept(NAME).values():
            check(data)
        for number in rounds:
            explore(files(), check, seed=number, count=count)
    return seen


def examine(path: Path, data: bytes) -> str:
    """Load a file with this content, and say in a word what became of it."""
    path.write_bytes(data)
    try:
        state = hostfile.load(path)
    except ConfigError as error:
        _one_line_that_names_the_place(str(error), str(path))
        return "refused"
    again = hostfile.dump(state)
    path.write_text(again, encoding="utf-8")
    assert hostfile.load(path) == state, again
    Switch(state)
    return "taken"


_PLACE = re.compile(r"line \d+: |(vtep|segments|ports|fdb|a key)[\w.\[\]-]*: |[\w-]+: unknown key |cannot be read: ")
_WHOLE_FILE = ("is nested too deeply", "holds a number of thousands of digits")


def _one_line_that_names_the_place(message: str, path: str) -> None:
    assert message.startswith(f"{path}: ")
    assert message.isprintable(), message
    said = message.removeprefix(f"{path}: ")
    assert _PLACE.match(said) or said.startswith(_WHOLE_FILE), message
    assert len(said) < _LONGEST, message


_LONGEST = 400
"""Characters of a message without the file's name: it is to be read in one line."""

# ---- files -----------------------------------------------------------------------------------------------------------

_TEXTS = (_RICH, *(path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.host.toml"))))
_KEYS = (
    *hostfile.EXAMPLES,
    "vni ",
    '"vni"',
    "vtep.local",
    "vtep.x",
    "segments",
    "größe",
    "''",
    "a.b.c",
    "Name",
    "remotes",
)
_VALUES = (
    *(line.partition(" = ")[2] for line in hostfile.EXAMPLES.values() if " = " in line),
    *("0", "1", "-1", "16777215", "16777216", "65535", "65536", "4294967296", "1" + "0" * 40, "1" + "0" * 5000),
    *("0x10", "1_0", "1e3", "1.5", "nan", "inf", "true", "false", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z"),
    *(
        '""',
        '" "',
        "''",
        '"\\u0000"',
        '"\\u2028"',
        '"\\n"',
        '"\\ud800"',
        '"' + "x" * 300 + '"',
        '"tap%d"',
        '"a/b"',
        '"blue "',
    ),
    *("[]", "[[]]", "{}", "{a = 1}", '[""]', '["192.0.2.2", "192.0.2.2"]', "[1, 2]", "[" * 200 + "]" * 200, "[" * 3000),
    *('"192.0.2.1"', '"192.0.2.2"', '"192.0.2.01"', '"192.0.2.1/32"', '"0.0.0.0"', '"255.255.255.255"', '"127.0.0.1"'),
    *('"fd00::1"', '"fd00::1%eth0"', '"FD00:0::2"', '"::"', '"::1"', '"::ffff:192.0.2.2"', '"fe80::1"', '"ff05::1"'),
    *(
        '"224.0.0.1"',
        '"239.1.1.1"',
        '"0.0.0.0/0"',
        '"::/0"',
        '"192.0.2.1/24"',
        '"192.0.2.0/33"',
        '"fd00::/129"',
        '"x/y"',
    ),
    *(
        '"52-54-00-12-34-56"',
        '"01:00:5e:00:00:01"',
        '"00:00:00:00:00:00"',
        '"any"',
        '"known"',
        '"ANY"',
        '"blue"',
        '"red"',
    ),
)
_HEADERS = (
    "[vtep]",
    "[[segments]]",
    "[[ports]]",
    "[[fdb]]",
    "[segments]",
    "[[vtep]]",
    "[vtep.local]",
    "[[fdb.x]]",
    "[",
    "[[]]",
)
_ASSIGNMENTS = st.builds("{} = {}".format, st.sampled_from(_KEYS), st.sampled_from(_VALUES))
_LINES = st.one_of(_ASSIGNMENTS, st.sampled_from(_HEADERS), st.text(max_size=20))


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Files with a few things changed, most of them in their values."""
    lines = draw(st.sampled_from(_TEXTS)).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(lines) - 1)))
        lines[at : at + 1] = draw(_changes(lines[at] if lines else ""))
    data = "\n".join(lines).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=3)) + data[at + draw(st.integers(0, 3)) :]
    return data


def _changes(line: str) -> st.SearchStrategy[list[str]]:
    key, equals, _ = line.partition(" = ")
    value = st.sampled_from(_VALUES).map(lambda value: [f"{key} = {value}"])
    return st.one_of(
        value if equals else st.just([line]),
        value if equals else st.just([line, line]),
        st.just([]),
        st.just([line, line]),
        _LINES.map(lambda new: [line, new]),
        _LINES.map(lambda new: [new]),
        st.just([line[: len(line) // 2]]),
    )
