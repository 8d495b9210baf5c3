"""FIX 4.4: the message types that order entry and market data use, with their fields, groups and required fields.

Source: FIX 4.4 specification with errata 20030618, volumes 1 (components), 2 (session), 3 (pre-trade) and 4 (trade).
Underlying and leg
instruments carry their identifying fields only.
"""

from exchanges.fix.dictionary.dictionary import Dictionary, Members, fields_from_table, members_from_text
from exchanges.fix.dictionary.fix44_fields import FIELDS

_COMPONENTS: dict[str, Members] = {}
for _name, _text in (
    ("Parties", "453(448 447 452 802(523 803))"),
    ("Instrument", "55! 65 48 22 454(455 456) 460 461 167 762 200 541 224 225 239 226 227 228 255 543 470 471 472 240 202 947"
        " 206 231 223"
        " 207 106 348 349 107 350 351 691 667 875 876 864(865 866 867 868) 873 874"),
    ("UnderlyingInstrument", "311 312 309 305 457(458 459) 462 463 310 313 542 435 436 306 362 363 307 364 365 308 315 316 317"
        " 318"),
    ("InstrumentLeg", "600 602 603 608 609 610 611 612 616 623 624 556 654"),
    ("FinancingDetails", "913 914 915 918 788 916 917 919 898"),
    ("OrderQtyData", "38 152 516 468 469"),
    ("CommissionData", "12 13 479 497"),
    ("Stipulations", "232(233 234)"),
    ("SpreadOrBenchmarkCurveData", "218 220 221 222 662 663 699 761"),
    ("YieldData", "235 236 701 696 697 698"),
    ("PegInstructions", "211 835 836 837 838 840"),
    ("DiscretionInstructions", "388 389 841 842 843 844 846"),
):  # fmt: skip
    _COMPONENTS[_name] = members_from_text(_text, _COMPONENTS)

_ORDER_TERMS = (
    "453(448 447 452 802(523 803)) 660 581 589 590 591 63 64 544 635 21 18 110 111 100 386(336 625) 81 114 60! Stipulations 854"
    " OrderQtyData"
    " 423 44 99 SpreadOrBenchmarkCurveData YieldData 15 376 377 59 168 432 126 427 CommissionData 528 529 582 121 120 775 58"
    " 354 355 193 192"
    " 640 77 203 210 PegInstructions DiscretionInstructions 847 848 849 480 481 513 494"
)

_MESSAGES = {
    "0": "112",
    "1": "112!",
    "2": "7! 16!",
    "3": "45! 371 372 373 58 354 355",
    "4": "123 36!",
    "5": "58 354 355",
    "A": "98! 108! 95 96 141 789 383 384(372 385) 464 553 554",
    "j": "45 372! 379 380! 58 354 355",
    "D": "11! 526 583 229 75 1 70 78(79! 661 736 467 80) 140 Instrument! FinancingDetails 711(UnderlyingInstrument) 54! 40! 23"
        " 117"
        f" {_ORDER_TERMS}",
    "G": "37 41! 11! 526 583 586 66 229 75 1 70 78(79! 661 736 467 80) Instrument! FinancingDetails 711(UnderlyingInstrument)"
        " 54! 40!"
        f" {_ORDER_TERMS}",
    "F": "41! 37 11! 526 583 66 586 1 660 581 Parties Instrument! FinancingDetails 711(UnderlyingInstrument) 54! 60!"
        " OrderQtyData 376 58"
        " 354 355",
    "H": "37 11! 526 583 Parties 790 1 660 Instrument! FinancingDetails 711(UnderlyingInstrument) 54!",
    "9": "37! 198 526 11! 583 41! 39! 636 586 66 1 660 581 229 75 60 434! 102 58 354 355",
    "8": "37! 198 526 527 11 41 583 117 790 584 911 912 Parties 229 382(375 337 437 438 655) 66 548 549 550 17! 19 150! 39! 636"
        " 103 378 1"
        " 660 581 589 590 591 63 64 544 635 Instrument! FinancingDetails 711(UnderlyingInstrument) 54! Stipulations"
        " OrderQtyData 854 40 423 44"
        " 99 PegInstructions DiscretionInstructions 839 845 847 848 849 850 15 376 377 59 168 432 126 18 528 529 582 32 31 669"
        " 194 195 30 336"
        " 625 484 485 151! 14! 6! 424 425 426 427 75 60 113 CommissionData SpreadOrBenchmarkCurveData YieldData 381 157 230 158"
        " 159 738 258"
        " 259 260 921 922 238 237 118 119 120 155 156 21 110 111 77 210 775 58 354 355 193 192 641 442 480 481 513 494 483 515"
        " 203 851"
        " 518(519 520 521) 555(InstrumentLeg 687 564 587 588 566 637) 797 136(137 138 139 891) 639 574",
    "V": "262! 263! 264! 265 266 286 546 547 267!(269!) 146!(Instrument 711(UnderlyingInstrument) 555(InstrumentLeg)) 386(336"
        " 625) 815 812",
    "W": "262 Instrument! 711(UnderlyingInstrument) 555(InstrumentLeg) 291 292 387 813 814 83"
        " 268!(269! 270 15 271 272 273 274 275 336 625 276 277 282 283 284 286 59 432 126 110 18 287 37 299 288 289 346 290 546"
        " 811 58 354"
        " 355)",
    "X": "262 83 268!(279! 285 269 278 280 Instrument 711(UnderlyingInstrument) 555(InstrumentLeg) 291 292 270 15 271 272 273"
        " 274 275 336 625"
        " 276 277 282 283 284 286 59 432 126 110 18 287 37 299 288 289 346 290 546 811 387 58 354 355 83) 813 814",
    "Y": "262! 281 816(817) 58 354 355",
    "f": "324 Instrument! 711(UnderlyingInstrument) 555(InstrumentLeg) 15 336 625 325 326 291 292 327 328 329 330 331 332 333"
        " 31 60 334 58"
        " 354 355",
    "h": "335 336! 625 338 339 325 340! 567 341 342 343 344 345 387 58 354 355",
    "q": "11! 526 530! 336 625 Instrument UnderlyingInstrument 54 60! 58 354 355",
    "r": "11 526 37! 198 530! 531! 532 533 534(41 535 536) 336 625 Instrument UnderlyingInstrument 54 60 58 354 355",
    "e": "324! Instrument! 711(UnderlyingInstrument) 555(InstrumentLeg) 15 263! 336 625",
    "g": "335! 336 625 338 339 263!",
    "B": "42 61 148! 358 359 215(216 217) 146(Instrument) 711(UnderlyingInstrument) 555(InstrumentLeg) 33!(58! 354 355) 149 95 96",
    "d": "320! 322! 323! Instrument 711(UnderlyingInstrument) 15 336 625 58 354 355 555(InstrumentLeg) 827 561 562",
    "C": "164! 94! 42 147! 356 357 215(216 217) 146(Instrument) 711(UnderlyingInstrument) 555(InstrumentLeg) 37 11 33!(58! 354"
        " 355) 95 96",
}  # fmt: skip

#: Types of FIX 4.4 that are not described here.
_OTHER_TYPES = (
    "6 7 E J K L M N P Q R S T Z a b c i k l m n o p s t u v w x y z AA AB AC AD AE AF AG AH AI AJ AK AL AM AN AO AP"
    " AQ AR AS AT"
    " AU AV AW AX AY AZ BA BB BC BD BE BF BG BH"
)

FIX44 = Dictionary(
    begin_string=b"FIX.4.4",
    fields=fields_from_table(FIELDS),
    header=members_from_text(
        "8! 9! 35! 49! 56! 115 128 90 91 34! 50 142 57 143 116 144 129 145 43 97 52! 122 212 213 347 369 627(628 629 630)"
    ),
    trailer=members_from_text("93 89 10!"),
    messages={msg_type: members_from_text(text, _COMPONENTS) for msg_type, text in _MESSAGES.items()},
    other_types=frozenset(_OTHER_TYPES.split()),
)
