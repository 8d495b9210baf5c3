"""FIXT 1.1 with FIX 5.0 SP2: the message types of fix44.py, with what the transport added to header and Logon.

Source: FIXT 1.1 and FIX 5.0 SP2 specifications. The application messages used here kept their 4.4 fields; a counterparty's
additional fields are rows of its own dictionary.
"""

from dataclasses import replace

from exchanges.fix.dictionary.dictionary import fields_from_table, members_from_text
from exchanges.fix.dictionary.fix44 import FIX44

#: DefaultApplVerID (1137) of FIX 5.0 SP2.
APPLICATION_VERSION = "9"

_FIELDS_OF_FIXT = """
925 NewPassword STRING
1128 ApplVerID STRING 0 1 2 3 4 5 6 7 8 9
1129 CstmApplVerID STRING
1137 DefaultApplVerID STRING 0 1 2 3 4 5 6 7 8 9
1156 ApplExtID INT
1407 DefaultApplExtID INT
1408 DefaultCstmApplVerID STRING
1409 SessionStatus INT 0 1 2 3 4 5 6 7 8
1410 DefaultVerIndicator BOOLEAN
"""

FIX50SP2 = replace(
    FIX44,
    begin_string=b"FIXT.1.1",
    fields={**FIX44.fields, **fields_from_table(_FIELDS_OF_FIXT)},
    header=FIX44.header | members_from_text("1128 1129 1156"),
    messages={
        **FIX44.messages,
        "A": FIX44.messages["A"] | members_from_text("925 1137! 1407 1408 1409"),
        "5": FIX44.messages["5"] | members_from_text("1409"),
    },
)
