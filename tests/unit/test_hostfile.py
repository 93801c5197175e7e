# SPDX-License-Identifier: Apache-2.0
"""The host file: what it says, and that what is written reads back."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from vxnet.errors import ConfigError
from vxnet.model import (
    AGEING,
    DOWN,
    MAXADDRESS,
    VNI_MAX,
    VXLAN_PORT,
    Bfd,
    Bridge,
    FdbEntry,
    HostState,
    Port,
    Probe,
    Segment,
    Vtep,
)
from vxnet.sources import tomlfile
from vxnet.sources.hostfile import EXAMPLES, File, FileBfd, FilePort, FileSegment, dump, load, vouch
from vxnet.sources.rules import problems

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLE_FILES = sorted((Path(__file__).parents[2] / "examples").glob("*.host.toml"))

EVERYTHING = """
[vtep]
local = "192.168.146.131"
dstport = 8472

[[segments]]
name = "blue"
vni = 5001
remotes = ["192.168.146.136", "192.168.147.1"]
ageing = 60
learning = false
maxaddress = 100
storm_control = 1000
storm_control_total = 5000

[[segments]]
name = "red"
vni = 16777215
group = "239.1.1.1"

[[ports]]
device = "tap-a"
segment = "blue"
storm_control = 50

[[fdb]]
segment = "blue"
mac = "52:54:00:AB:CD:EF"
port = "tap-a"

[[fdb]]
segment = "red"
mac = "52:54:00:ab:cd:ef"
remote = "192.168.146.136"
"""


@pytest.fixture
def host_file(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a host file."""

    def write(text: str) -> Path:
        path = tmp_path / "h1.host.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_every_key_reaches_the_state(host_file: Callable[[str], Path]) -> None:
    """Each key of the file is the field of the same name; MACs come out in lower case."""
    assert load(host_file(EVERYTHING)) == HostState(
        vtep=Vtep(local=IPv4Address("192.168.146.131"), dstport=8472),
        segments=(
            Segment(
                name="blue",
                vni=5001,
                remotes=(IPv4Address("192.168.146.136"), IPv4Address("192.168.147.1")),
                ageing=60,
                learning=False,
                maxaddress=100,
                storm_control=1000,
                storm_control_total=5000,
                senders=("192.168.146.136/32", "192.168.147.1/32"),
            ),
            Segment(name="red", vni=16777215, group=IPv4Address("239.1.1.1")),
        ),
        ports=(Port(device="tap-a", segment="blue", storm_control=50),),
        fdb=(
            FdbEntry(segment="blue", mac="52:54:00:ab:cd:ef", port="tap-a"),
            FdbEntry(segment="red", mac="52:54:00:ab:cd:ef", remote=IPv4Address("192.168.146.136")),
        ),
    )


def test_what_is_left_out_is_default(host_file: Callable[[str], Path]) -> None:
    """The least file is a VTEP alone; a segment needs a name and a VNI, and has Linux's defaults for the rest."""
    state = load(host_file('[vtep]\nlocal = "10.0.0.1"\n[[segments]]\nname = "blue"\nvni = 1\n'))
    assert state.vtep == Vtep(local=IPv4Address("10.0.0.1"), dstport=VXLAN_PORT)
    assert state.segments == (Segment(name="blue", vni=1),)
    (blue,) = state.segments
    assert (blue.remotes, blue.group, blue.ageing, blue.learning) == ((), None, AGEING, True)
    assert (blue.maxaddress, blue.senders) == (MAXADDRESS, None)


@pytest.mark.parametrize(
    ("lines", "senders"),
    [
        ('remotes = ["10.0.0.2"]', ("10.0.0.2/32", "10.0.0.9/32")),
        ('remotes = ["10.0.0.2"]\naccept = "known"', ("10.0.0.2/32", "10.0.0.9/32")),
        ('remotes = ["10.0.0.2"]\naccept = "any"', None),
        (
            'remotes = ["10.0.0.2"]\naccept = "any"\naccept_from = ["10.0.0.9/32", "10.0.0.2/32"]',
            ("10.0.0.9/32", "10.0.0.2/32"),
        ),
        ('remotes = ["10.0.0.2"]\naccept = "any"\naccept_from = ["10.0.0.0/24"]', ("10.0.0.0/24",)),
        ('group = "239.1.1.1"', None),
        ('group = "239.1.1.1"\naccept_from = ["10.0.0.0/24"]', ("10.0.0.0/24",)),
        ("", None),
        ('accept = "known"', ("10.0.0.9/32",)),
    ],
)
def test_whom_packets_are_taken_from(
    host_file: Callable[[str], Path], lines: str, senders: tuple[str, ...] | None
) -> None:
    """From remotes and those of static entries, where there are remotes; from a group's members, by prefix if asked."""
    entry = '[[fdb]]\nsegment = "blue"\nmac = "52:54:00:00:00:09"\nremote = "10.0.0.9"\n'
    path = host_file(f'[vtep]\nlocal = "10.0.0.1"\n[[segments]]\nname = "blue"\nvni = 1\n{lines}\n{entry}')
    state = load(path)
    assert state.segments[0].senders == senders
    assert load(host_file(dump(state))) == state


def test_byte_order_mark_and_crlf(host_file: Callable[[str], Path]) -> None:
    """A file from an editor that writes a byte order mark and CRLF is read like any other."""
    assert load(host_file("\ufeff" + EVERYTHING.replace("\n", "\r\n"))) == load(host_file(EVERYTHING))


def test_dump_leaves_defaults_out() -> None:
    """What dump writes is what a person would have written."""
    state = HostState(
        vtep=Vtep(local=IPv4Address("10.0.0.1")),
        segments=(
            Segment(
                name="blue", vni=5001, remotes=(IPv4Address("10.0.0.2"),), learning=False, senders=("10.0.0.2/32",)
            ),
        ),
        ports=(Port(device='a"\\b', segment="blue"),),
    )
    assert dump(state) == (
        '[vtep]\nlocal = "10.0.0.1"\n\n'
        '[[segments]]\nname = "blue"\nvni = 5001\nremotes = ["10.0.0.2"]\nlearning = false\n\n'
        '[[ports]]\ndevice = "a\\"\\\\b"\nsegment = "blue"\n'
    )


def test_no_file_for_a_host_that_is_down() -> None:
    """A host without a VTEP cannot be written: no file would read back as it."""
    with pytest.raises(ValueError, match="down"):
        dump(DOWN)


def test_every_key_has_an_example() -> None:
    """An error can show how each key is written: EXAMPLES has all of them, and each stands in a file that loads."""
    fields = {
        field
        for kind in (File, Vtep, FileBfd, Probe, FileSegment, FilePort, FdbEntry)
        for field in kind.__struct_fields__
    }
    assert set(EXAMPLES) == fields


@pytest.mark.parametrize("path", EXAMPLE_FILES, ids=lambda path: path.name)
def test_examples_load(path: Path) -> None:
    """Every host file in examples/ may be applied."""
    assert load(path).segments


# --- properties -----------------------------------------------------------------------------------------------------

vtep_addresses = st.integers(2**24, 0xDFFFFFFF).map(IPv4Address).filter(lambda address: not address.is_loopback)
groups = st.integers(0xE0000100, 0xEFFFFFFF).map(IPv4Address)
macs = st.binary(min_size=6, max_size=6).map(lambda raw: bytes([raw[0] & 0xFE, *raw[1:5], raw[5] | 1]).hex(":"))
names = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", fullmatch=True)
devices = st.text(st.characters(codec="utf-8"), min_size=1, max_size=15)


@st.composite
def segments(draw: st.DrawFn, name: str, vni: int, others: st.SearchStrategy[IPv4Address]) -> Segment:
    """Draw a segment that floods to remotes, to a group, or not at all."""
    flood = draw(st.sampled_from(["remotes", "group", "nowhere"]))
    return Segment(
        name=name,
        vni=vni,
        remotes=tuple(draw(st.lists(others, unique=True, max_size=4))) if flood == "remotes" else (),
        group=draw(groups) if flood == "group" else None,
        ageing=draw(st.integers(0, 2**32 - 1)),
        learning=draw(st.booleans()),
        flood_to_dead=draw(st.booleans()),
        maxaddress=draw(st.integers(1, 2**20)),
        storm_control=draw(st.integers(0, 10**7)),
        storm_control_total=draw(st.integers(0, 10**7)),
        senders=draw(st.sampled_from((None, ("10.0.0.0/8",), ("0.0.0.0/0", "fd00::/8")))),
    )


def bfds(all_segments: tuple[Segment, ...], fdb: tuple[FdbEntry, ...]) -> st.SearchStrategy[Bfd]:
    """Draw how the remotes of these may be watched."""
    remotes = {at for segment in all_segments for at in segment.remotes} | {entry.remote for entry in fdb}
    return st.builds(
        Bfd,
        vni=st.integers(1, VNI_MAX),
        min_tx=st.integers(100, 60000),
        min_rx=st.integers(100, 60000),
        detect_mult=st.integers(1, 255),
        remotes=st.just(tuple(sorted(at for at in remotes if at))),
    )


probes = st.builds(Probe, interval=st.integers(100, 60000), detect_mult=st.integers(1, 255))


@st.composite
def states(draw: st.DrawFn) -> HostState:
    """Draw any state that a host file can say."""
    local = draw(vtep_addresses)
    others = vtep_addresses.filter(lambda address: address != local)
    numbers = draw(st.lists(st.integers(1, VNI_MAX), unique=True, max_size=4))
    labels = draw(st.lists(names, unique=True, min_size=len(numbers), max_size=len(numbers)))
    all_segments = tuple(draw(segments(name, vni, others)) for name, vni in zip(labels, numbers, strict=True))
    ports: tuple[Port, ...] = ()
    fdb: tuple[FdbEntry, ...] = ()
    if labels:
        drawn = draw(st.lists(devices, unique=True, max_size=4))
        limit = st.none() | st.integers(1, 10**7)
        ports = tuple(
            Port(device=device, segment=draw(st.sampled_from(labels)), storm_control=draw(limit)) for device in drawn
        )
        remote = st.builds(FdbEntry, segment=st.sampled_from(labels), mac=macs, remote=others)
        local_entry = st.sampled_from(ports or (None,)).flatmap(
            lambda port: (
                st.builds(FdbEntry, segment=st.just(port.segment), mac=macs, port=st.just(port.device))
                if port
                else remote
            )
        )
        fdb = tuple(draw(st.lists(remote | local_entry, unique_by=lambda e: (e.segment, e.mac), max_size=4)))
    return HostState(
        vtep=Vtep(local=local, dstport=draw(st.integers(1, 65535))),
        bfd=draw(st.none() | bfds(all_segments, fdb)),
        probe=draw(st.none() | probes),
        segments=all_segments,
        ports=ports,
        fdb=fdb,
    )


@given(states().filter(lambda state: not list(problems(state))))
def test_what_is_written_reads_back(tmp_path_factory: pytest.TempPathFactory, state: HostState) -> None:
    """load(dump(state)) is state, whatever the names hold."""
    path = tmp_path_factory.getbasetemp() / "round-trip.host.toml"
    path.write_text(dump(state), encoding="utf-8")
    assert load(path) == state


values = st.recursive(
    st.none().map(lambda _: "192.0.2.1") | st.booleans() | st.integers() | st.text() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(EXAMPLES)), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["vtep", "segments", "ports", "fdb", "vtpe"]), values))
def test_any_tables_become_a_state_or_one_fault(tables: dict[str, object]) -> None:
    """Whatever tables a file holds: a HostState or a FaultError of one short line, never another exception."""
    try:
        tomlfile.known(tables, HostState)
        state = tomlfile.typed(tables, HostState, EXAMPLES)
        faults = [f"{field}: {what}" for field, what in problems(state)]
    except tomlfile.FaultError as fault:
        faults = [str(fault)]
    for text in faults:
        assert text.isprintable()
        assert len(text) < 300


@given(st.text() | st.text(alphabet='[]="\\\n.#vtep local1', max_size=40))
def test_any_text_becomes_tables_or_one_fault(text: str) -> None:
    """Whatever a file holds: tables or a FaultError of one short line, never another exception."""
    faults = []
    try:
        tomlfile.parse(text)
    except tomlfile.FaultError as fault:
        faults = [str(fault)]
    for line in faults:
        assert line.isprintable()
        assert len(line) < 300


def test_deep_nesting_is_a_fault(host_file: Callable[[str], Path]) -> None:
    """A file nested past Python's recursion limit is an error like any other."""
    with pytest.raises(ConfigError, match="nested too deeply"):
        load(host_file("x = " + "[" * 100_000))


@given(states())
def test_what_a_file_can_say_is_vouched_for(state: HostState) -> None:
    """A state from elsewhere may be applied if a file could have said it, and only then."""
    if state.vtep is None or list(problems(state)):
        with pytest.raises(ConfigError):
            vouch(state)
    else:
        vouch(state)


_MAC = "52:54:00:AB:CD:EF"
_VTEP, _BLUE = Vtep(local=IPv4Address("192.0.2.1")), Segment(name="blue", vni=10)
_PORT = Port(device="tap0", segment="blue")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (DOWN, "vtep: is missing; "),
        (HostState(vtep=_VTEP, segments=(replace(_BLUE, vni=1 << 32),)), "segments[0].vni: 4294967296 is above "),
        (
            HostState(vtep=_VTEP, segments=(_BLUE,), ports=(replace(_PORT, device="\n"),)),
            'ports[0].device: "\\n" cannot ',
        ),
        (
            HostState(vtep=_VTEP, segments=(_BLUE,), ports=(replace(_PORT, sources=()),)),
            "it asks for what no host file ",
        ),
        (HostState(vtep=_VTEP, segments=(replace(_BLUE, senders=()),)), 'segments: "blue" takes packets from nobody, '),
        (
            HostState(vtep=_VTEP, segments=(replace(_BLUE, senders=("x",)),)),
            'segments[0].accept_from[0]: "x" is not a ',
        ),
        (HostState(vtep=_VTEP, bridges=(Bridge(name="br0"),)), "it asks for what no host file says, such as bridges"),
        (
            HostState(
                vtep=_VTEP, segments=(_BLUE,), ports=(_PORT,), fdb=(FdbEntry(segment="blue", mac=_MAC, port="tap0"),)
            ),
            "it asks for what no host file says, ",
        ),
    ],
    ids=["down", "vni", "device", "sources", "nobody", "prefix", "bridge", "capitals"],
)
def test_what_no_file_can_say_is_told(state: HostState, words: str) -> None:
    """One line names what it is."""
    with pytest.raises(ConfigError) as caught:
        vouch(state)
    assert str(caught.value).startswith(words)
    assert str(caught.value).isprintable()
