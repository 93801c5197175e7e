# SPDX-License-Identifier: Apache-2.0
"""An hour of churn around machines that must not notice. `make soak`, or `python -m soak --help`.

    v --tap-v-.                                       .-tap-v2- v2    blue: numbered packets both ways, pings
    w --tap-w-[ h1 ] eth0 --- switch --- eth0 [ h2 ]--'-tap-w2- w2    green, a group: broadcasts
                               |
                               '--- eth0 [ h3 ]                       red: m1 ... m6, wherever they are just now

    world.py     the lab, and what each host is to be just now
    deeds.py     what is done to it, at random: machines plugged in, out and moved, remotes and segments changed, MACs
                 by the hundred, devices flapped, daemons restarted and killed, in the middle of what they do too
    samples.py   what is looked at meanwhile: memory, maps, descriptors, programs, devices, latency, lost packets
    verdict.py   what has to be so in the end
    chart.py     all of it over time

h1's daemon lives from the beginning to the end, so that what it gathers shows; the others' come and go. The same seed
does the same deeds. docs/soak.md has what came of it.
"""
