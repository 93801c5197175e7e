# SPDX-License-Identifier: Apache-2.0
"""What a process of ours may still do once it runs, by /proc/PID/task/*/status; and that it is enough, and needed.

That daemons work with it all other tests of this folder show: `vxnet up` and the agents give it up there as well.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.confined import capabilities, confined
from tests.support.labs import H1, two_hosts
from tests.support.running import CLI, DAEMON, Host, Pair, wait
from vxnet.daemon.control import PIDFILE
from vxnet.daemon.privileges import NETWORK, Capability
from vxnet.lab import Lab
from vxnet.lab.apiserver import ApiServer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "packaging" / "systemd"
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")
BPF, PERFMON = 39, 38


def assert_has_only(pid: int, kept: Collection[Capability], bounding: Collection[Capability] | None = None) -> None:
    """All threads of a process have these capabilities, can get no others, nor can what they start.

    ``bounding``: what its bounding set has, of which no_new_privs lets nothing through; unless given the same.
    """
    mask, bound = (sum(1 << number for number in held) for held in (kept, kept if bounding is None else bounding))
    statuses = list(Path(f"/proc/{pid}/task").glob("*/status"))
    assert statuses
    for status in statuses:
        lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
        found = {name: int(lines[name], 16) for name in SETS}
        assert found == dict(zip(SETS, (0, mask, mask, bound, 0, 1), strict=True))


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host with nothing on it."""
    with Lab.unique("rights") as lab:
        yield Host(two_hosts(lab)[0], tmp_path)


def test_vxnet_up_starts_one_with_few_rights(pair: Pair) -> None:
    """The daemon that root starts with all rights keeps two, also in a host of the lab; and forwards."""
    assert_has_only(pair.h1.pid, NETWORK)
    pair.h1.spoil("detach tap-a")
    pair.h1.node.ip("link set lo alias something-happens")
    wait(lambda: pair.h1.changes(pair.one) == (), "the daemon to repair it")
    assert_has_only(pair.h1.pid, NETWORK)
    assert pair.a.ping(pair.b)


@pytest.mark.parametrize("within_unit", [False, True])
@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("vxnetd", DAEMON),
        ("vxnet-agent", (*CLI, "agent", "--server", "http://127.0.0.1:1", "--host", "h1", "--local", str(H1))),
        ("vxnet-ovs-vswitchd", (*CLI, "ovs-vswitchd", "--db", "unix:/none")),
    ],
)
def test_every_daemon_keeps_what_its_unit_grants(
    host: Host, unit: str, words: tuple[str, ...], *, within_unit: bool
) -> None:
    """What a daemon keeps when root starts it by hand is what its unit lets it have; it starts with that.

    But for NET_RAW, which those that probe need as they start and give up.
    """
    file = UNITS / f"{unit}.service"
    daemon = host.node.popen(*(confined(file) if within_unit else ()), *words, "--run-dir", str(host.run_dir))
    pidfile = host.run_dir / PIDFILE
    wait(lambda: host.pid or pidfile.exists(), "the daemon to be there")
    granted = capabilities(file)
    kept = granted - {Capability.NET_RAW}
    assert (Capability.NET_RAW in granted) == (unit != "vxnet-ovs-vswitchd")
    assert_has_only(daemon.pid, kept, granted if within_unit else kept)


def test_a_server_keeps_nothing(tmp_path: Path) -> None:
    """A server that root starts has no rights but to root's own files; its unit grants none either."""
    with ApiServer(tmp_path, f"sqlite://{tmp_path}/cluster.db") as server:
        server.add_user("ana", "green", "admin", "a secret")
        assert_has_only(server.process.pid, ())
    assert capabilities(UNITS / "vxnet-server.service") == frozenset()


def test_a_server_in_a_folder_of_somebody_else(tmp_path: Path) -> None:
    """Root's server cannot write there, and says what to do."""
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    subprocess.run(("chown", "4711:4712", folder), check=True)
    done = subprocess.run(
        (*CLI, "server", "--listen", "127.0.0.1:0", "--store", f"sqlite://{folder}/cluster.db"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"vxnet: error: {folder}/cluster.db.lock: permission denied; a server has no rights over others' files, not "
        "even root's: run it as the user whose folder that is\n"
    )


def test_a_token_of_somebody_else(host: Host, tmp_path: Path) -> None:
    """An agent reads its token without root's rights over others' files, and says so at its start, not at a renewal."""
    token = tmp_path / "agent.token"
    token.touch(mode=0o600)
    subprocess.run(("chown", "4711:4712", token), check=True)
    words = ("agent", "--server", "http://127.0.0.1:1", "--host", "h1", "--local", str(H1), "--token-file", str(token))
    assert host.refused(*words) == (
        f"--token-file {token}: Permission denied; the agent reads what is root's own: `chown root: {token}`"
    )


# ---- none of them can be left out ------------------------------------------------------------------------------------

ADOPT = """
import sys
from pathlib import Path
from vxnet.daemon import privileges
from vxnet.daemon.keeper import Keeper
from vxnet.sources import hostfile

state = hostfile.load(Path(sys.argv[2]))
privileges.keep([int(number) for number in sys.argv[3:]])
Keeper(Path(sys.argv[1])).bring(state)
"""


@pytest.mark.parametrize(
    ("kept", "works"),
    [
        (NETWORK, True),
        ({Capability.NET_ADMIN}, False),
        ({Capability.SYS_ADMIN}, False),
        ({Capability.NET_ADMIN, BPF, PERFMON}, False),  # it could load, but not find what is there
    ],
)
def test_a_daemon_needs_them(pair: Pair, kept: Collection[int], works: bool) -> None:  # noqa: FBT001  (a parameter)
    """With all of them a keeper takes over what is there and changes it; without one of them it cannot."""
    pair.h1.kill()
    file = pair.h1.file(pair.one)
    pair.h1.node.ip("link set tap-c down")
    words = (sys.executable, "-c", ADOPT, str(pair.h1.run_dir), str(file), *map(str, map(int, kept)))
    done = pair.h1.node.run(*words, check=False)
    assert (done.returncode == 0) is works, done.stderr
    if not works:
        assert "not permitted" in done.stderr
    assert (pair.h1.changes(pair.one) == ()) is works


# ---- within the unit -------------------------------------------------------------------------------------------------


def test_a_daemon_within_what_its_unit_allows(tmp_path: Path) -> None:
    """The unit's filters of system calls, addresses and memory let it forward, repair and go down."""
    with ExitStack() as stack:
        pair = Pair(stack.enter_context(Lab.unique("unit")), tmp_path)
        log = stack.enter_context((tmp_path / "log").open("w+"))
        for host, state in ((pair.h1, pair.one), (pair.h2, pair.two)):
            words = (
                *confined(UNITS / "vxnetd.service"),
                *DAEMON,
                str(host.file(state)),
                "--run-dir",
                str(host.run_dir),
            )
            host.node.popen(*words, stderr=log)
            wait(lambda host=host, state=state: host.pid and host.changes(state) == (), "the daemon to be done")  # type: ignore[misc]
            stack.callback(host.down)
        assert "Seccomp:\t2\n" in Path(f"/proc/{pair.h1.pid}/status").read_text()
        assert pair.a.ping(pair.b)
        assert pair.c.ping(pair.d)
        pair.h1.spoil("ip link delete vxnet4789")
        wait(lambda: pair.h1.changes(pair.one) == (), "the daemon to repair it")
        assert pair.a.ping(pair.b)
        log.seek(0)
        assert "not permitted" not in log.read()
