# SPDX-License-Identifier: Apache-2.0
"""The pages of the repository are true where a machine can tell: links, commands, shown files, tables, numbers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vxnet import __version__
from vxnet.cli.main import COMMANDS
from vxnet.datapath import room
from vxnet.drops import DROP_REASONS
from vxnet.sources import hostfile

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
README = ROOT / "README.md"
HOW_IT_WORKS = ROOT / "docs" / "how-it-works.md"
BPF = ROOT / "src" / "vxnet" / "datapath" / "bpf"

_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def text_of(page: Path) -> str:
    """Return a page's text."""
    return page.read_text(encoding="utf-8")


def name_of(page: Path) -> str:
    """Return a page's path in the repository."""
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """Return a page without its blocks of code, whose brackets and hashes mean other things."""
    return _FENCE.sub("", text_of(page))


def anchors(page: Path) -> set[str]:
    """Return what may stand behind ``page#``: headings in small letters, no punctuation, dashes for spaces."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(prose(page))}


def commands(page: Path, tool: str) -> set[str]:
    """Return the words that follow ``tool`` on the lines of a page's code, and in its code between backticks."""
    blocks = "\n".join(_FENCE.findall(text_of(page)))
    lines = [line.partition(" #")[0] for line in re.findall(r"^(?:[a-z0-9]*# )?(.*)$", blocks, re.MULTILINE)]
    spans = re.findall(r"`([^`]+)`", prose(page))
    pattern = re.compile(rf"(?:^|-- ){tool} ([a-z][a-z-]*)")
    return {word for line in (*lines, *spans) for word in pattern.findall(line)}


def table_under(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading, without its head."""
    section = text_of(page).partition(f"\n{heading}\n")[2]
    rows = [line for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def define(name: str) -> int:
    """Return a number that the C defines."""
    found = re.findall(rf"^#define {name} (.*?)(?:\s*/\*.*)?$", "".join(map(text_of, BPF.glob("*.h"))), re.MULTILINE)
    assert len(found) == 1, f"{name} is defined {len(found)} times"
    base, _, shift = found[0].strip("()").partition(" << ")
    return int(base) << int(shift or 0)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a file of the repository has that file, and, behind a hash, a heading of it."""
    broken = []
    for link in _LINK.findall(prose(page)):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_exist(page: Path) -> None:
    """Each `make` command that a page names is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of(ROOT / "Makefile"), re.MULTILINE))
    assert commands(page, "make") <= targets


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_vxnet_commands_exist(page: Path) -> None:
    """Each `vxnet` command that a page names is one."""
    assert commands(page, "vxnet") <= COMMANDS.keys()


def test_readme_names_the_two_commands() -> None:
    """A newcomer meets `make demo` and `make test` on the first screen."""
    first_screen = "\n".join(text_of(README).splitlines()[:50])
    assert "# make demo" in first_screen
    assert "# make test" in first_screen


def test_readme_shows_an_example_as_it_is() -> None:
    """The host file on the first screen is that of examples/, which says the same."""
    shown = re.findall(r"```toml\n(.*?)```", text_of(README), re.DOTALL)
    example = ROOT / "examples" / "two-hosts.h1.host.toml"
    assert [block.strip() for block in shown] == [text_of(example).partition("\n\n")[2].strip()]
    assert hostfile.load(example).segments


def test_readme_has_one_place_for_the_figures() -> None:
    """The benchmark's figures stand between two marks, each there once, in this order."""
    marks = re.findall(r"^<!-- /?bench -->$", text_of(README), re.MULTILINE)
    assert marks == ["<!-- bench -->", "<!-- /bench -->"]


def test_drop_reasons_are_told() -> None:
    """The table of drop reasons has those of drop_reasons.h: numbers, names and texts, in that order."""
    rows = table_under(HOW_IT_WORKS, "## Drop reasons")
    assert [row[:3] for row in rows] == [[str(r.number), f"`{r.name}`", r.text] for r in DROP_REASONS]
    assert all(row[3] for row in rows)


def test_rules_are_numbered_from_one_on() -> None:
    """The reference switch and the C cite the rules by these numbers."""
    section = text_of(HOW_IT_WORKS).partition("\n## The forwarding rules\n")[2].partition("\n## ")[0]
    rules = re.findall(r"^(\d+)\. ", section, re.MULTILINE)
    assert rules == [str(number) for number in range(1, len(rules) + 1)]
    cited = re.findall(
        r"[Rr]ules? (\d+)", "".join(map(text_of, (*BPF.glob("*.h"), *(ROOT / "src/vxnet").rglob("*.py"))))
    )
    assert set(cited) <= set(rules)


def test_limits_are_those_of_the_maps() -> None:
    """The table of limits has the sizes that the maps have; slot 0 of domains and members is never used."""
    limits = {row[0]: tuple(row[1:]) for row in table_under(HOW_IT_WORKS, "## Limits")}
    for what, name, unused in (
        ("segments and bridges", "DOMAINS", 1),
        ("ports, segments, and tunnels of bridges together", "MEMBERS", 1),
        ("neighbours, all segments", "NEIGHBOURS", 0),
        ("copies that flood lists ask for", "FLOOD", 0),
    ):
        assert limits[what] == (str(define(f"FIRST_{name}") - unused), str(room.MOST - unused))
    learned = f"{room.MOST}, of which {room.MOST_LEARNED} learned"
    assert limits["FDB entries, all segments"] == (str(define("FIRST_FDB")), learned)
    places = limits["places that have taught a MAC (ports, and remotes in each segment)"]
    assert places == (str(define("FIRST_LEARNED")), str(room.MOST_LEARNED))
    assert limits["senders, all segments; those with the same ones share them"][0] == str(define("MAX_SENDERS"))
    assert limits["elements of ports' sources: a MAC, or an address under its MAC"][0] == str(define("MAX_SOURCES"))
    moved = limits["MACs that have moved in the last 180 seconds; of more, moves are not counted"]
    assert moved[0] == str(define("MAX_MOVED"))
    storms = "ports and remotes with a bucket for storm control; of more, those silent for the longest get a full one"
    assert limits[storms][0] == str(define("MAX_STORMS"))
    assert limits["cached pairs of MACs, for each CPU and direction"][0] == str(define("FLOW_SLOTS"))


def test_times_of_the_flow_cache_are_those_of_the_programs() -> None:
    """A cached answer is trusted for 1 second, and a neighbour confirmed every 15."""
    source = text_of(BPF / "flows.h") + text_of(BPF / "access.h")
    seconds = {name: int(value) // 10**9 for name, value in re.findall(r"#define (FLOW_TRUST) (\d+)LL", source)}
    seconds |= {name: int(value) for name, value in re.findall(r"#define (NEIGHBOUR_CONFIRM) \((\d+) \*", source)}
    assert seconds == {"FLOW_TRUST": 1, "NEIGHBOUR_CONFIRM": 15}
    page = text_of(HOW_IT_WORKS)
    assert "**1 second**" in page
    assert "**15 seconds**" in page


def test_changelog_tells_of_this_version() -> None:
    """The changelog begins with what is not released yet, and names the version that the sources have."""
    page = text_of(ROOT / "CHANGELOG.md")
    assert re.findall(r"^## \[(.+?)\]", page, re.MULTILINE)[0] == "Unreleased"
    assert __version__ in page
