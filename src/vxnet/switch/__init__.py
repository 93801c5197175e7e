# SPDX-License-Identifier: Apache-2.0
"""The reference switch: what vxnet does with a frame, in Python, to be read in one sitting.

The tests hold the eBPF programs to these files: same state, same frame, same outcome. The numbers are those of the
forwarding rules in docs/how-it-works.md.

    from_port(device, frame)                     from_underlay(packet)
      |                                            |  ours? else leave it to the host                       arrival
      |                                            |  unfit headers, checksum, mark; no tunnel for it: drop
      |  1. the port's segment or bridge           |  1. the tunnel it came through, and that one's segment or
      |                                            |     bridge, which takes packets from this sender? else drop
      '--------------------.   .-------------------'
                           v   v
      |  a segment takes one VLAN tag off; in a bridge: which VLAN is it in?                                vlans
      |  8. from a port that has sources: its MAC and its addresses are among them? else drop               security
      |  2. source MAC: fit? learn it at the port, or behind the remote;                                    fdb
      |     12. unless it moves too often                                                                   duplicates
      |  9. from a segment's port, a question for an address whose MAC is known here: answer it             answers
      |  3. destination known: there, only there, and never back where it came from                         fdb
      |  11. BUM, of which no more has come than storm control lets in? else drop                           storm
      |  4. BUM: every other port, and the group or the remotes of every other tunnel                       members
      |  10. known unicast from a port that is too large for the path: its sender is told                   toobig
      v
    Outcome: copies to ports and to the underlay, and at most one drop reason                               outcome

`switch` has all steps in their order; beside each stands the file that knows more of it. Times are seconds on any clock
that only goes forward.
"""
