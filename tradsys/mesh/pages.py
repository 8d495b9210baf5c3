"""Lists in pages: a size with an upper limit, and a token that says after which entry the next page begins. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from tradsys.mesh.handlers import invalid

T = TypeVar("T")

USUAL_PAGE = 100
LARGEST_PAGE = 500
LONGEST_TOKEN = 80


def page_size(asked: int) -> int:
    """`asked`, or the usual size for 0. Raises CallRefused (ARGUMENT_INVALID)."""
    if not 0 <= asked <= LARGEST_PAGE:
        raise invalid("page_size", f"0 to {LARGEST_PAGE}", asked)
    return asked or USUAL_PAGE


def page_of(entries: Sequence[T], key: Callable[[T], str], *, size: int, token: str) -> tuple[list[T], str]:
    """One page of `entries` by rising key, and the token of the next page: empty after the last one.

    The token is the last key given out, so that entries that come or go in between neither repeat nor hide others.
    Raises CallRefused (ARGUMENT_INVALID).
    """
    limit = page_size(size)
    if len(token) > LONGEST_TOKEN:
        raise invalid("page_token", f"at most {LONGEST_TOKEN} characters", token)
    rest = sorted((each for each in entries if key(each) > token), key=key)
    page = rest[:limit]
    return page, key(page[-1]) if len(rest) > limit else ""
