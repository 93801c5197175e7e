# SPDX-License-Identifier: Apache-2.0
"""The command line as a whole: its commands, its exit codes, one line for each error."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from vxnet import __version__
from vxnet.cli.main import COMMANDS, build, main

SHOWING = ("plan", "show", "fdb", "stats")
HOST_FILE = '[vtep]\nlocal = "192.0.2.1"\n[[segments]]\nname = "blue"\nvni = 16777216\n'


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run([sys.executable, "-m", "vxnet", *arguments], capture_output=True, text=True, check=False)


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str]:
    """The exit code and stderr of a command line that fails, as a shell sees them."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    output = capsys.readouterr()
    assert output.out == ""
    # sys.exit(text): the interpreter prints the text on stderr and exits with 1.
    return (1, f"{caught.value.code}\n") if isinstance(caught.value.code, str) else (caught.value.code, output.err)


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_version_and_help(arguments: list[str]) -> None:
    """Both go to stdout, with exit code 0."""
    result = CliRunner().invoke(build(), arguments)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.startswith((f"vxnet {__version__}\n", "Usage: "))


def test_help_lists_every_command() -> None:
    """The help names the commands of the table, in its order."""
    help_ = CliRunner().invoke(build(), ["--help"]).stdout.partition("Commands:\n")[2]
    assert [line.split()[0] for line in help_.splitlines()] == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(name: str) -> None:
    """Each command can be reached through the table alone, and says what it does."""
    result = CliRunner().invoke(build([name]), [name, "--help"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert f" {name} " in result.stdout.splitlines()[0]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in {"cluster", "lab", "port", "server"}])
def test_each_command_takes_run_dir(name: str) -> None:
    """`--run-dir`, or VXNET_RUN_DIR, or /run/vxnet, on each command that concerns one vxnet."""
    help_ = " ".join(CliRunner().invoke(build([name]), [name, "--help"]).stdout.split())
    assert "--run-dir DIR" in help_
    assert "env var: VXNET_RUN_DIR; default: /run/vxnet" in help_


@pytest.mark.parametrize("name", SHOWING)
def test_each_showing_command_has_json(name: str) -> None:
    """`--json` on each command that shows something."""
    assert "--json" in CliRunner().invoke(build([name]), [name, "--help"]).stdout


@pytest.mark.parametrize("where", COMMANDS.values())
def test_table_leads_to_commands(where: str) -> None:
    """Every entry of the table is a typer application, or a function with a docstring for its help."""
    module, _, attribute = where.partition(":")
    command = getattr(import_module(module), attribute)
    assert isinstance(command, typer.Typer) or inspect.getdoc(command)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["shwo"], "Did you mean 'show'?"),
        (["show", "--jsn"], "--json"),
        (["plan"], "HOST.toml"),
        (["--run-dir", "/x", "show"], "--run-dir"),
    ],
)
def test_wrong_command_line(arguments: list[str], words: str) -> None:
    """A command line that cannot be is told on stderr, with exit code 2."""
    result = CliRunner().invoke(build(arguments), arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr.splitlines()[-1]


def test_missing_host_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A file that is not there is one line that names it, with exit code 1."""
    missing = tmp_path / "h1.toml"
    assert failed(capsys, "plan", str(missing)) == (
        1,
        f"vxnet: error: {missing}: cannot be read: No such file or directory\n",
    )


def test_bad_host_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A value that cannot be is one line that names file, field and value, with exit code 1."""
    host_file = tmp_path / "h1.toml"
    host_file.write_text(HOST_FILE, encoding="utf-8")
    code, line = failed(capsys, "plan", str(host_file))
    assert code == 1
    assert line.startswith(f"vxnet: error: {host_file}: segments[0].vni: 16777216 ")
    assert line.count("\n") == 1


@pytest.mark.parametrize("name", ["show", "fdb", "stats"])
def test_nothing_to_show(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    """Where vxnet is not up, or without root, showing it is one line on stderr and exit code 1."""
    code, line = failed(capsys, name, "--run-dir", str(tmp_path))
    assert code == 1
    assert line.startswith("vxnet: error: ")
    assert line.count("\n") == 1


def test_error_reaches_the_shell(tmp_path: Path) -> None:
    """In a real process too: stdout empty, one line on stderr, exit code 1."""
    result = run("plan", str(tmp_path / "none.toml"))
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("vxnet: error: ")


def test_reader_that_goes_away() -> None:
    """When nobody reads any more, vxnet ends without a word: `vxnet ... | head`."""
    with subprocess.Popen(
        [sys.executable, "-m", "vxnet", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_full_disk() -> None:
    """Output that cannot be written is an error in one line, and no success."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        result = subprocess.run(
            [sys.executable, "-m", "vxnet", "--version"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (result.returncode, result.stderr) == (1, "vxnet: error: [Errno 28] No space left on device\n")


def test_start_is_quick() -> None:
    """Showing commands load neither rich nor the lab nor, but for its socket, the daemon: scripts call them often."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys; from vxnet.cli.main import build; build(['show']); print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "vxnet.cli.show" in loaded
    heavy = {name for name in loaded if name.split(".")[0] == "rich" or name.startswith(("vxnet.lab", "vxnet.daemon"))}
    assert heavy == {"vxnet.daemon", "vxnet.daemon.control", "vxnet.daemon.rundir"}
