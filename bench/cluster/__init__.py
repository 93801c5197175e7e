# SPDX-License-Identifier: Apache-2.0
"""What a cluster costs: `make bench-cluster`, or `python -m bench.cluster --help`.

    1. creating.py    networks a second through the API, by one client and by eight
    2. ping.py        from `port create --host` to the first answered ping, on three hosts of a lab
    3. spreading.py   200 agents: until a change has reached all it concerns, and what the others hear of it
    4. memory.py      what a server and an agent hold in memory

`stage.py` is what they stand on: a store, a server, and tokens; `wire.py` is HTTP with as little around it as can be,
so that what is measured is the server. `results.py` says what a figure is, `table.py` shows all of them.
docs/cluster-performance.md has those of one machine, and says what they mean.
"""
