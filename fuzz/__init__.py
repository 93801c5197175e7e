# SPDX-License-Identifier: Apache-2.0
"""Input that nobody has thought of, at everything that reads input. `make fuzz`, or `python -m fuzz --help`.

    1. __main__.py   so many seconds for each target, round after round; a round's number is the seed of all in it
    2. a target      makes input, gives it to the real thing, and holds it to an oracle: an AssertionError is a finding
    3. corpus.py     what was found once is in corpus/TARGET/ and is tried first; what is found now goes to build/fuzz/

    target        input                               the real thing                     oracle
    codecs.py     bytes, by coverage (guided.py)      vxnet.packet, what stands on it    a value and back, or why not
    programs.py   packets (packets.py, mutation.py)   eBPF in the kernel, by test runs   the reference switch
    hostfile.py   TOML, mutated from the examples     the host file's source             a state, or one line
    ovsdb.py      rows of an Open vSwitch database    that source                        a state, an error for each row
    control.py    half requests, odd ones, none       a vxnetd in a lab                  it serves, and forwards
    api.py        HTTP (requests.py, bodies.py)       a `vxnet server`                   no 5xx, nothing half made

docs/fuzzing.md tells how to add one. The tests run a few fixed rounds of each.
"""
