"""FIX 4.2: the same message types as fix44.py with their fields of that version.

Source: FIX 4.2 specification with errata 20010501. Fields that 4.4 took over unchanged come from its table; those that 4.2 has
under other types or values, or that 4.4 dropped, are below.
"""

from exchanges.fix.dictionary.dictionary import Dictionary, Members, fields_from_table, members_from_text
from exchanges.fix.dictionary.fix44_fields import FIELDS

_LAST_TAG = 446
_FIELDS_OF_42 = """
20 ExecTransType CHAR 0 1 2 3
22 IDSource STRING 1 2 3 4 5 6 7 8 9
29 LastCapacity CHAR 1 2 3 4
39 OrdStatus CHAR 0 1 2 3 4 5 6 7 8 9 A B C D E
40 OrdType CHAR 1 2 3 4 5 6 7 8 9 A B C D E F G H I P
46 RelatdSym STRING
47 Rule80A CHAR A B C D E F G H I J K L M N O P R S T U W X Y Z
54 Side CHAR 1 2 3 4 5 6 7 8 9
59 TimeInForce CHAR 0 1 2 3 4 5 6
63 SettlmntTyp CHAR 0 1 2 3 4 5 6 7 8 9
64 FutSettDate LOCALMKTDATE
76 ExecBroker STRING
77 OpenClose CHAR O C
102 CxlRejReason INT 0 1 2 3
103 OrdRejReason INT 0 1 2 3 4 5 6 7 8
109 ClientID STRING
150 ExecType CHAR 0 1 2 3 4 5 6 7 8 9 A B C D E
167 SecurityType STRING BA CB CD CMO CORP CP CPP CS FHA FHL FN FOR FUT GN GOVT IET MF MIO MPO MPP MPT MUNI NONE OPT PS RP RVRP SL TD
  USTB WAR ZOO ?
204 CustomerOrFirm INT 0 1
205 MaturityDay INT
231 ContractMultiplier FLOAT
314 UnderlyingMaturityDay INT
319 RatioQty QTY
370 OnBehalfOfSendingTime UTCTIMESTAMP
373 SessionRejectReason INT 0 1 2 3 4 5 6 7 8 9 10 11
380 BusinessRejectReason INT 0 1 2 3 4 5
"""

_INSTRUMENT_TERMS = "65 48 22 167 200 205 201 202 206 231 223 207 106 348 349 107 350 351"
_UNDERLYING = "311 312 309 305 310 313 314 315 316 317 436 435 308 306 362 363 307 364 365"
_ENTRY_TERMS = (
    "270 15 271 272 273 274 275 336 276 277 282 283 284 286 59 432 126 110 18 287 37 299 288 289 346 290"
)  # fmt: skip
_COMPONENTS: dict[str, Members] = {
    name: members_from_text(text)
    for name, text in (
        ("Instrument", f"55! {_INSTRUMENT_TERMS}"),
        ("Entry", _ENTRY_TERMS),
        ("Text", "58 354 355"),
        ("Parties", "109 76 1"),
        ("Terms", "63 64 18 110 111 100 386(336) 38 152 44 99 211 388 389 15 376 59 168 432 126 427 12 13 47 121 120 193 192 77"
            " 203 204 210 439 440"),
    )
}  # fmt: skip

_MESSAGES = {
    "0": "112",
    "1": "112!",
    "2": "7! 16!",
    "3": "45! 371 372 373 Text",
    "4": "123 36!",
    "5": "Text",
    "A": "98! 108! 95 96 141 383 384(372 385)",
    "j": "45! 372! 379 380! Text",
    "D": "11! Parties 78(79 80) 21! 81 Instrument! 140 54! 114 60! 40! 23 117 Terms Text",
    "G": "37 Parties 41! 11! 66 78(79 80) 21! Instrument! 54! 60! 40! 117 377 114 Terms Text",
    "F": "41! 37 11! 66 Parties Instrument! 54! 60! 38 152 376 377 Text",
    "H": "37 11! Parties Instrument! 54!",
    "9": "37! 198 11! 41! 39! Parties 66 60 434! 102 Text",
    "8": "37! 198 11 41 Parties 382(375 337 437 438) 66 17! 20! 19 150! 39! 103 378 Instrument! 54! 40 32 31 194 195 30 29 151! 14!"
        " 6! 424 425 426 75 60 113 381 119 155 156 21 118 336 Terms Text",
    "V": f"262! 263! 264! 265 266 267!(269!) 146!(55! {_INSTRUMENT_TERMS} 336)",
    "W": "262 Instrument! 291 292 387 268!(269! Entry Text)",
    "X": "262 268!(279! 285 269 278 280 Instrument 291 292 Entry 387 Text)",
    "Y": "262! 281 Text",
    "f": "324 Instrument! 15 336 325 326 291 292 327 328 329 330 331 332 333 31 60 334",
    "h": "335 336! 338 339 325 340! 341 342 343 344 345 387 Text",
    "d": f"320! 322! 323 393 Instrument 15 336 Text 146({_UNDERLYING} 319 54 318)",
    "C": f"164! 94! 42 147! 356 357 215(216 217) 146(46 {_INSTRUMENT_TERMS}) 37 11 33!(58! 354 355) 95 96",
}  # fmt: skip

#: Types of FIX 4.2 that are not described here.
_OTHER_TYPES = "6 7 B E J K L M N P Q R S T Z a b c e g i k l m"

FIX42 = Dictionary(
    begin_string=b"FIX.4.2",
    fields={
        **{tag: known for tag, known in fields_from_table(FIELDS).items() if tag <= _LAST_TAG},
        **fields_from_table(_FIELDS_OF_42),
    },
    header=members_from_text("8! 9! 35! 49! 56! 115 128 90 91 34! 50 142 57 143 116 144 129 145 43 97 52! 122 212 213 347 369 370"),
    trailer=members_from_text("93 89 10!"),
    messages={msg_type: members_from_text(text, _COMPONENTS) for msg_type, text in _MESSAGES.items()},
    other_types=frozenset(_OTHER_TYPES.split()),
)
