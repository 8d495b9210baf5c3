"""How long to wait before a call is tried again. Pure."""

from __future__ import annotations

from collections.abc import Callable

from tradsys.mesh.config.schema import RetryConfig


def backoff_seconds(config: RetryConfig, retry: int, random: Callable[[], float]) -> float:
    """Wait before the `retry`-th retry (1 is the first): exponential up to ``max_backoff_ms``, shortened by a random part.

    `random` gives 0 ≤ x < 1; ``jitter_percent`` is the largest part that it may take away.
    """
    # The exponent is bounded: 10.0 ** 400 is an OverflowError, and the cap was reached long before.
    grown = config.initial_backoff_ms * config.multiplier ** min(retry - 1, 64)
    longest = min(grown, config.max_backoff_ms)
    return longest * (1 - config.jitter_percent / 100 * random()) / 1000
