# SPDX-License-Identifier: Apache-2.0
"""VXLAN, told and proved on this machine: real hosts, real packets, decoded by tshark. `make demo`.

1. scenes/       one file for each scene: what is told, done and checked
2. bed.py        a scene's lab, its VTEPs and its captures; takes everything away in the end
3. vtep.py       one host's vxnet, by the command line that everybody uses
4. proof.py      what tshark reads in the captured packets
5. narration.py  how it looks: sentences, drawings, tables, ticks and crosses
"""
