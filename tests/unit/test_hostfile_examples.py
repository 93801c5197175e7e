# SPDX-License-Identifier: Apache-2.0
"""The examples go together, NAME.HOST.host.toml with NAME.lab.toml, and docs/host-file.md tells what holds."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from vxnet.lab import labfile, topology
from vxnet.model import FdbEntry, Probe, Vtep
from vxnet.sources import hostfile
from vxnet.sources.hostfile import FileBfd, FilePort, FileSegment

EXAMPLES = Path(__file__).parents[2] / "examples"
LABS = sorted(EXAMPLES.glob("*.lab.toml"))
PAGE = (EXAMPLES.parent / "docs" / "host-file.md").read_text(encoding="utf-8")


def test_each_host_file_has_a_lab() -> None:
    """No host file stands alone: the lab and the host it names are there."""
    hosts = {f"{path.name.split('.')[0]}.{host.name}" for path in LABS for host in labfile.load(path).hosts}
    files = {path.name.removesuffix(".host.toml") for path in EXAMPLES.glob("*.host.toml")}
    assert files == hosts


@pytest.mark.parametrize("path", LABS, ids=lambda path: path.name)
def test_host_files_fit_their_lab(path: Path) -> None:
    """Each host has a file; ``local`` is its address, the ports are its VMs' devices, each remote is another host."""
    lab = labfile.load(path)
    addresses = {host.name: topology.interfaces(host)[0].ip for host in lab.hosts}
    for host in lab.hosts:
        state = hostfile.load(EXAMPLES / f"{path.name.removesuffix('.lab.toml')}.{host.name}.host.toml")
        assert state.vtep is not None
        assert state.vtep.local == addresses[host.name]
        devices = {topology.device_of(vm) for vm in lab.vms if vm.host == host.name}
        assert {port.device for port in state.ports} == devices
        remotes = {remote for segment in state.segments for remote in segment.remotes}
        assert remotes <= set(addresses.values()) - {state.vtep.local}


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL), ids=["first", "second"])
def test_documented_files_load(tmp_path: Path, text: str) -> None:
    """Each host file that docs/host-file.md shows may be applied."""
    path = tmp_path / "h1.toml"
    path.write_text(text, encoding="utf-8")
    assert hostfile.load(path).segments


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("[vtep]", Vtep),
        ("[bfd]", FileBfd),
        ("[probe]", Probe),
        ("[[segments]]", FileSegment),
        ("[[ports]]", FilePort),
        ("[[fdb]]", FdbEntry),
    ],
)
def test_every_key_is_documented(header: str, kind: type[msgspec.Struct]) -> None:
    """The page has a row for each key of each table, in the order of the model, with the default that is in force."""
    section = PAGE.split(f"## `{header}`", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", section, re.MULTILINE)
    assert rows == [(field.encode_name, _default(field)) for field in msgspec.structs.fields(kind)]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    if isinstance(field.default, int):
        return f"`{str(field.default).lower()}`"
    return f'`"{field.default}"`' if isinstance(field.default, str) else "none"
