# SPDX-License-Identifier: Apache-2.0
"""Strategies that choose by weight.

`hypothesis.strategies.one_of` gives each branch the same chance, however often it is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def weighted(*branches: tuple[int, st.SearchStrategy[T]]) -> st.SearchStrategy[T]:
    """Each branch with the chance of its weight; failures shrink towards the first."""
    return st.sampled_from([branch for weight, branch in branches for _ in range(weight)]).flatmap(
        lambda branch: branch
    )


def mostly(weight: int, common: Sequence[T], rare: Sequence[T]) -> st.SearchStrategy[T]:
    """One of ``common``, but one of ``rare`` once in ``weight + 1`` times."""
    return weighted((weight, st.sampled_from(common)), (1, st.sampled_from(rare)))
