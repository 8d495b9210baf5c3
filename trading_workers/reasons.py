"""Every reason for which the order path refuses, in the order of its stages.

A member's number says the stage (hundreds); ``docs/reason-codes.md`` is generated from this enum.
"""

from __future__ import annotations

from tradsys.mesh.refusals import CodedRule


def _(text: str) -> str:
    """Marks a rule for the message catalogues; pages translate it with gettext, the data plane stays in English."""
    return text


class Reason(CodedRule):
    """Reasons of the order path. The HTTP status is that of the REST door."""

    # 1xx: decoding
    MALFORMED_REQUEST = 101, 400, _("A field is missing, of the wrong type, or outside its range.")
    UNKNOWN_FIELD = 102, 400, _("The message has a field that this version does not know.")
    BATCH_TOO_LARGE = 103, 413, _("A batch holds at most 500 instructions.")
    CLIENT_ORDER_ID_INVALID = 104, 400, _("A client order id is 1 to 36 printable ASCII characters.")
    # 2xx: identity
    UNAUTHENTICATED = 201, 401, _("The call must bring a valid, unexpired token issued for this service.")
    ROLE_NOT_PERMITTED = 202, 403, _("Only a trader of the tenant may place or cancel orders.")
    ACCOUNT_UNKNOWN = 203, 404, _("The account must exist in the caller's tenant and be open to the caller.")
    ACCOUNT_SUSPENDED = 204, 403, _("A suspended account may not place orders.")
    # 3xx: duplicates
    DUPLICATE_ORDER_CONFLICT = 301, 409, _("A client order id stands for one instruction for the whole trading day.")
    # 4xx: configuration and licence
    CONFIGURATION_MISSING = 401, 503, _("A tenant without a configuration snapshot may not trade.")
    CONFIGURATION_STALE = 402, 503, _("A configuration snapshot may be used until its lease ends.")
    LICENSE_MISSING = 411, 402, _("A tenant needs a licence.")
    LICENSE_NOT_YET_VALID = 412, 402, _("A licence counts from the start of its validity.")
    LICENSE_EXPIRED = 413, 402, _("A licence counts until the end of its validity.")
    LICENSE_SUSPENDED = 414, 402, _("A suspended licence does not allow trading.")
    FEATURE_NOT_LICENSED = 415, 402, _("The licence must include this exchange, asset type or door.")
    QUOTA_EXCEEDED = 421, 429, _("The licence caps the number of orders of a day.")
    RATE_LIMIT_EXCEEDED = 422, 429, _("The licence limits the number of orders of a second.")
    # 5xx: instrument and session
    INSTRUMENT_UNKNOWN = 501, 404, _("The instrument must be listed on the named exchange.")
    INSTRUMENT_NOT_TRADABLE = 502, 422, _("The instrument must be open for trading.")
    REFERENCE_DATA_UNSIGNED = 503, 422, _("Unverified reference data counts only when an operator has signed it.")
    SESSION_CLOSED = 511, 422, _("Orders are taken only in a session phase that accepts them.")
    ORDER_TYPE_NOT_ALLOWED = 512, 422, _("The session phase must allow this order type and time in force.")
    # 6xx: price, quantity and the regulator's rules
    PRICE_REQUIRED = 601, 422, _("A limit order has a positive price and a market order has none.")
    PRICE_OFF_TICK = 602, 422, _("A price is a whole multiple of the instrument's tick.")
    PRICE_OUTSIDE_BAND = 603, 422, _("A price lies within the day's limits around the reference price.")
    REFERENCE_PRICE_MISSING = 604, 422, _("An instrument needs a reference price before it can trade.")
    QUANTITY_NOT_POSITIVE = 605, 422, _("A quantity is a positive whole number.")
    QUANTITY_OFF_LOT = 606, 422, _("A quantity is a whole multiple of the instrument's lot.")
    INVESTOR_ID_MISSING = 621, 422, _("The exchange's investor number (Unified Code or NIN) must be on the account.")
    # 7xx: Sharia
    SHARIA_VERDICT_MISSING = 701, 422, _("The account's board must have ruled on the instrument.")
    NOT_SHARIA_COMPLIANT = 702, 422, _("The account's board must hold the instrument to be compliant.")
    # 8xx: risk
    KILL_SWITCH_ON = 801, 403, _("No order passes while a kill switch is on.")
    ORDER_QUANTITY_LIMIT = 802, 422, _("An order stays within the account's largest quantity.")
    ORDER_VALUE_LIMIT = 803, 422, _("An order stays within the account's largest value.")
    INSUFFICIENT_BUYING_POWER = 804, 422, _("A buy is covered by cash that no other open order has reserved.")
    INSUFFICIENT_POSITION = 805, 422, _("A sell is covered by shares that no other open order has reserved.")
    SELF_TRADE = 806, 422, _("An order must not meet an opposite open order of the same account.")
    # 9xx: route, journal, and the order itself
    NO_ROUTE = 901, 503, _("A line that leads to the exchange must be up.")
    JOURNAL_UNAVAILABLE = 902, 503, _("Nothing is accepted that cannot be written down.")
    ORDER_UNKNOWN = 911, 404, _("The order to cancel must be known for this account.")
    ORDER_NOT_OPEN = 912, 409, _("Only an open order can be cancelled.")
    CANCEL_PENDING = 913, 409, _("A cancel of this order is already on its way.")
