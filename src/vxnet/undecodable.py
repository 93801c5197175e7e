# SPDX-License-Identifier: Apache-2.0
"""What is raised where bytes are not the JSON they should be.

msgspec has errors of its own for most of that, but none for what is not UTF-8, nor for lists and objects that are in
one another deeper than Python's stack: not even where nobody asks for them, under a key that a type does not have.
"""

from __future__ import annotations

from typing import Final

import msgspec

UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
