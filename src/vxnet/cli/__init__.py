# SPDX-License-Identifier: Apache-2.0
"""The command line: one file a command, `main` with their table, and what they share."""
