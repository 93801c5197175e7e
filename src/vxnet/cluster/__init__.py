# SPDX-License-Identifier: Apache-2.0
"""What a cluster is: its records, who gets which VNI, MAC and address, and what each host is told. No HTTP, no kernel.

API --> commands: Replica -> Transaction --> Store --> Batch --> Replica --> Hub --> messages --> agents
"""
