"""Where a payment goes that falls on a closed day. Pure."""

from __future__ import annotations

from enum import StrEnum


class PaymentConvention(StrEnum):
    UNADJUSTED = "unadjusted"
    FOLLOWING = "following"
    MODIFIED_FOLLOWING = "modified_following"
    """The next open day, or the one before when that is in another month."""
    PRECEDING = "preceding"
