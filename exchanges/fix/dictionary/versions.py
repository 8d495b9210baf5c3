"""Dictionary and application version by BeginString, for a session that is configured by its version alone."""

from exchanges.fix.dictionary.dictionary import Dictionary
from exchanges.fix.dictionary.fix42 import FIX42
from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.dictionary.fix50sp2 import APPLICATION_VERSION, FIX50SP2

#: BeginString (8) → dictionary and DefaultApplVerID (1137, empty before FIXT).
VERSIONS: dict[str, tuple[Dictionary, str]] = {
    "FIX.4.2": (FIX42, ""),
    "FIX.4.4": (FIX44, ""),
    "FIXT.1.1": (FIX50SP2, APPLICATION_VERSION),
}
