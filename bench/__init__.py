# SPDX-License-Identifier: Apache-2.0
"""How fast vxnet is, beside what else could carry the same frames. `make bench`, or `python -m bench --help`.

        VM a            host h1                                        host h2            VM b
     +--------+     +--------------+                              +--------------+     +--------+
     |   eth0 o-----o tap-a        |                              |        tap-b o-----o eth0   |
     +--------+     |      ?  eth0 o------------------------------o eth0  ?      |     +--------+
      client        +--------------+                              +--------------+      server, sink

    1. bed.py        builds one such lab for each row, all side by side
    2. rows/         what does the work in the place of "?": one file for each row
    3. measures/     what is measured from a to b: one file for each measure
    4. rounds.py     every measure of every row in turn, again and again, beginning with another row each time
    5. results.py    medians, ratios, targets; table.py, chart.py and bench.json show them

profile.py, run as `python -m bench.profile`, tells what each function costs a packet. docs/performance.md says
why it is measured like this.
"""
