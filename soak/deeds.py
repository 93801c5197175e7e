# SPDX-License-Identifier: Apache-2.0
"""What is done to the world, at random. Each leaves it as it is to be, and says in words what it has done."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING

from soak.world import AT_FIRST, FLAPPING, HOSTS, LASTING, MOVERS
from tests.support.running import CLI, end

if TYPE_CHECKING:
    from random import Random

    from soak.world import World

MACS = 300
"""How many machines speak up from behind one port at once, to be learned and to age."""

_MORTAL = [name for name in HOSTS if name != LASTING]


def move(world: World, random: Random) -> str:
    """A machine is plugged out, in, or into another host; then it is reached."""
    machine, to = random.choice(list(MOVERS)), random.choice([*HOSTS, ""])
    was = world.places.get(machine, "")
    if was:
        told_first = random.random() < 0.5
        if told_first:  # the file says so before the cable goes, or after
            world.places.pop(machine)
            world.up(was)
            world.places[machine] = was
        world.unplug(machine)
        if not told_first:
            world.up(was)
    if to:
        world.plug(machine, to)
        world.up(to)
        if peer := next((other for other in world.places if other != machine), ""):
            world.talk(machine, peer)
    return f"{machine}: {was or 'nowhere'} -> {to or 'nowhere'}"


def forget_remote(world: World, random: Random) -> str:
    """A host forgets one of red's remotes, and is told of it again."""
    name = random.choice(list(HOSTS))
    remote = random.choice([other for other in HOSTS if other != name])
    for remotes in ({remote}, set[str]()):
        world.without[name] = remotes
        world.up(name)
    return f"{name}: without remote {remote}, and with it"


def change_segments(world: World, random: Random) -> str:
    """Segments come and go."""
    name = random.choice(list(HOSTS))
    before = len(world.extra[name])
    world.extra[name] = set(random.sample(range(40), random.randrange(40)))
    world.up(name)
    return f"{name}: {before} -> {len(world.extra[name])} segments"


def flap_port(world: World, random: Random) -> str:
    """A port's device goes down and up again."""
    if not world.places:
        return "nobody to flap"
    machine = random.choice(sorted(world.places))
    host = world.hosts[world.places[machine]]
    host.node.ip(f"link set tap-{machine} down")
    time.sleep(random.random() / 5)
    host.node.ip(f"link set tap-{machine} up")
    world.settled(world.places[machine])
    return f"{host.node.name}: tap-{machine} down and up"


def flap_underlay(world: World, random: Random) -> str:
    """The underlay device of a host without victims goes down and up again."""
    node = world.hosts[FLAPPING].node
    node.ip("link set eth0 down")
    time.sleep(random.random() / 2)
    node.ip("link set eth0 up")
    world.settled(FLAPPING)
    return f"{FLAPPING}: eth0 down and up"


def restart(world: World, random: Random) -> str:
    """A daemon ends, or is killed; for a while there is none; then there is another one."""
    name = random.choice(_MORTAL)
    number = random.choice([signal.SIGTERM, signal.SIGKILL])
    world.hosts[name].kill(number)
    time.sleep(random.random() / 5)
    world.up(name)
    return f"{name}: {number.name}, and a new daemon"


def kill_in_the_middle(world: World, random: Random) -> str:
    """A daemon is killed while it carries out a plan; the next one ends it."""
    name = random.choice(_MORTAL)
    host = world.hosts[name]
    world.extra[name] = set(random.sample(range(40), 20))
    daemon = host.pid
    words = (*CLI, "up", str(host.file(world.state(name))), "--run-dir", str(host.run_dir))
    with host.node.popen(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as up:
        time.sleep(0.3 + random.random())
        end(daemon, signal.SIGKILL)
        up.wait()
    world.up(name)
    return f"{name}: SIGKILL in the middle of `vxnet up`"


def many_macs(world: World, random: Random) -> str:
    """Machines by the hundred speak up behind a port of red; they are learned, and age."""
    if not world.places:
        return "nobody to speak up"
    machine = random.choice(sorted(world.places))
    with world.machines[machine].enter(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind(("eth0", 0))
        for _ in range(MACS):
            out.send(b"\xff" * 6 + b"\x02\x00" + random.randbytes(4) + b"\x88\xb5" + bytes(46))
    return f"{machine}: {MACS} MACs"


DEEDS = (move, move, forget_remote, change_segments, flap_port, flap_underlay, restart, kill_in_the_middle, many_macs)


def put_back(world: World) -> None:
    """Bring the world to what it was at first."""
    for name in HOSTS:
        world.extra[name], world.without[name] = set(), set()
    for machine, place in AT_FIRST.items():
        if machine in world.places:
            world.unplug(machine)
        world.plug(machine, place)
    world.up()
