"""How orders are written for DEMOX: as in FIX 4.4, with two fields that every member of DEMOX has to send."""

from dataclasses import replace

from exchanges.fix_venue.dialect import FIX44_ORDERS, Term

DEMOX_ORDERS = replace(
    FIX44_ORDERS,
    new_order=(
        (11, Term.CLIENT_ORDER_ID),
        (1, Term.ACCOUNT),
        (21, b"1"),
        (55, Term.SYMBOL),
        (207, Term.MIC),
        (54, Term.SIDE),
        (60, Term.TRANSACT_TIME),
        (38, Term.QUANTITY),
        (40, Term.ORDER_TYPE),
        (44, Term.PRICE),
        (59, Term.TIME_IN_FORCE),
        (528, b"A"),  # OrderCapacity: agency
        (581, b"1"),  # AccountType: a customer's
    ),
)
