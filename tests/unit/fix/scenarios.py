# ruff: noqa: E501 (a line of the dialogue is a line of the table)
"""The 59 scenarios that a FIX 4.4 engine is measured by, as dialogues in our own words.

`> …` the counterparty says, `>> …` it sends these very bytes (| is SOH), `< …` the engine answers exactly this, `wait n` seconds pass,
`closed` the engine has closed (after what was read), `open` it has not; `connect` starts a connection. After every line that is not an
answer the engine must have said nothing that is not in the table. An order is `ORDER`, with its fields in the order of the echo.
"""

ORDER = "11=ID|21=3|40=1|54=1|55=INTC|60=20260302-09:30:00"
LOGON = "> 35=A|34=1|98=0|108=30\n< 35=A|34=1|98=0|108=30"
TOO_LOW = "MsgSeqNum too low, expecting"
OUT_OF_RANGE = "58=Value is incorrect (out of range) for this tag"
MISSING = "58=Required tag missing"
INVALID_TAG = "58=Invalid tag number"
NO_VALUE = "58=Tag specified without a value"


def bye(number: int, answer: int) -> str:
    return f"> 35=5|34={number}\n< 35=5|34={answer}\nclosed"


def gap_fill(number: int, new_number: int) -> str:
    return f"< 35=4|34={number}|43=Y|122=<now>|36={new_number}|123=Y"


def resent(number: int, body: str = ORDER) -> str:
    return f"< 35=D|34={number}|43=Y|122=<now>|{body}"


def echo(number: int, answer: int, body: str = ORDER) -> str:
    return f"> 35=D|34={number}|{body}\n< 35=D|34={answer}|{body}"


def ping(number: int, answer: int, text: str = "HELLO") -> str:
    return f"> 35=1|34={number}|112={text}\n< 35=0|34={answer}|112={text}"


def heartbeats(first: int, last: int) -> str:
    return "\n".join(f"> 35=0|34={number}" for number in range(first, last + 1))


#: Scenarios of the start of a connection: an acceptor's matter only.
ACCEPTOR_ONLY = {
    "1a_ValidLogonWithCorrectMsgSeqNum": f"connect\n{LOGON}\n{bye(2, 2)}",
    "1a_ValidLogonMsgSeqNumTooHigh": (
        f"connect\n> 35=A|34=5|98=0|108=30\n< 35=A|34=1|98=0|108=30\n< 35=2|34=2|7=1|16=0\n{bye(6, 3)}"
    ),
    "1c_InvalidSenderCompID": "connect\n> 35=A|34=1|49=WRONG|98=0|108=30\nclosed",
    "1c_InvalidTargetCompID": "connect\n> 35=A|34=1|56=WRONG|98=0|108=30\nclosed",
    "1d_InvalidLogonBadSendingTime": "connect\n> 35=A|34=1|52=20010101-00:00:00|98=0|108=30\nclosed",
    "1d_InvalidLogonLengthInvalid": (
        "connect\n>> 8=FIX.4.4|9=4|35=A|34=1|49=TW44|52=<now>|56=ISLD|98=0|108=30|10=100|\nopen\nwait 10.4\nclosed"
    ),
    "1d_InvalidLogonWrongBeginString": "connect\n> 8=FIX.3.9|35=A|34=1|98=0|108=30\nclosed",
    "1e_NotLogonMessage": "connect\n> 35=0|34=1\nclosed",
    "4a_NoDataSentDuringHeartBtInt": (
        "connect\n> 35=A|34=1|98=0|108=6\n< 35=A|34=1|98=0|108=6\nwait 5.8\nopen\nwait 0.2\n< 35=0|34=2\n> 35=0|34=2\nwait 6\n"
        f"< 35=0|34=3\n> 35=0|34=3\n{bye(4, 4)}"
    ),
    "6_SendTestRequest": (
        "connect\n> 35=A|34=1|98=0|108=6\n< 35=A|34=1|98=0|108=6\nwait 6\n< 35=0|34=2\n> 35=0|34=2\nwait 6\n< 35=0|34=3\nwait 1.2\n"
        "< 35=1|34=4|112=TEST\n> 35=0|34=3|112=TEST\nwait 6\n< 35=0|34=5\n> 35=0|34=4\nwait 6\n< 35=0|34=6\nwait 1.2\n"
        "< 35=1|34=7|112=TEST\nwait 7\nopen\nwait 0.2\nclosed"
    ),
    "SessionReset": (
        f"connect\n{LOGON}\n{heartbeats(2, 9)}\n{ping(10, 2, '1')}\n> 35=A|34=1|98=0|108=30|141=Y\n< 35=A|34=1|98=0|108=30|141=Y\n"
        f"{ping(2, 2, '1')}\n{bye(3, 3)}"
    ),
}

#: Scenarios inside a session: the same for both sides. The Logons are exchanged before the first line.
BOTH = {
    "2a_MsgSeqNumCorrect": f"{heartbeats(2, 5)}\n{bye(6, 2)}",
    "2b_MsgSeqNumTooHigh": (
        f"{heartbeats(2, 4)}\n> 35=1|34=10|112=HELD\n< 35=2|34=2|7=5|16=0\n> 35=4|34=5|43=Y|122=<now>|36=10|123=Y\n"
        f"< 35=0|34=3|112=HELD\n{bye(11, 4)}"
    ),
    "2c_MsgSeqNumTooLow": f"{heartbeats(2, 4)}\n> 35=0|34=2\n< 35=5|34=2|58={TOO_LOW} 5 but received 2\nclosed",
    "2d_GarbledMessage": (
        ">> 8=FIX.4.4|9=52|35=0|34=2|4garbled9=TW|52=<now>|56=ISLD|10=0|\n> 35=0|34=2\n"
        f">> 8=FIX.4.4|9=81|35=D|34=3|49garbled=TW|52=<now>|56=ISLD|{ORDER}|10=0|\n> 35=0|34=4\n< 35=2|34=2|7=3|16=0\n"
        f"{echo(3, 3)}\n{bye(5, 4)}"
    ),
    "2e_PossDupAlreadyReceived": (
        f"{echo(2, 2)}\n{echo(3, 3)}\n> 35=D|34=2|43=Y|122=<-1>|{ORDER}\n{echo(4, 4)}\n{bye(5, 5)}"
    ),
    "2e_PossDupNotReceived": (
        f"{echo(2, 2)}\n> 35=D|34=3|43=Y|122=<-1>|{ORDER}\n< 35=D|34=3|{ORDER}\n{echo(4, 4)}\n{bye(5, 5)}"
    ),
    "2f_PossDupOrigSendingTimeTooHigh": (
        f"{echo(2, 2)}\n{echo(3, 3)}\n> 35=D|34=2|43=Y|122=<+10>|{ORDER}\n"
        "< 35=3|34=4|45=2|58=SendingTime accuracy problem|372=D|373=10\n< 35=5|34=5\n> 35=5|34=4\nclosed"
    ),
    "2g_PossDupNoOrigSendingTime": (
        f"{echo(2, 2)}\n{echo(3, 3)}\n> 35=D|34=2|43=Y|{ORDER}\n< 35=3|34=4|45=2|{MISSING}|371=122|372=D|373=1\n{ping(4, 5)}\n{bye(5, 6)}"
    ),
    "2i_BeginStringValueUnexpected": (
        "> 8=FIX.4.1|35=1|34=2|112=id\n< 35=5|34=2|58=Incorrect BeginString\n> 35=5|34=3\nclosed"
    ),
    "2i_BeginStringValueUnexpected, no answer": (
        "> 8=FIX.4.1|35=1|34=2|112=id\n< 35=5|34=2|58=Incorrect BeginString\nopen\nwait 2.2\nclosed"
    ),
    **{
        f"2k_CompIDDoesNotMatchProfile, {who}": (
            f"> 35=D|34=2|{ids}|{ORDER}\n< 35=3|34=2|45=2|58=CompID problem|372=D|373=9\n< 35=5|34=3\n> 35=5|34=3\nclosed"
        )
        for who, ids in (("sender", "49=WRONG"), ("target", "56=WRONG"), ("both", "49=WRONG|56=WRONG"))
    },
    "2m_BodyLengthValueNotCorrect": (
        f">> 8=FIX.4.4|9=30|35=D|34=2|49=TW44|52=<now>|56=ISLD|{ORDER}|10=012|\n> 35=D|34=3|{ORDER}\n< 35=2|34=2|7=2|16=0\n"
        f"> 35=D|34=2|43=Y|122=<now>|{ORDER}\n< 35=D|34=3|{ORDER}\n< 35=D|34=4|{ORDER}\n"
        f">> 8=FIX.4.4|9=130|35=D|34=4|49=TW44|52=<now>|56=ISLD|{ORDER}|10=012|\n> 35=D|34=5|{ORDER}\n{echo(4, 5)}\n{echo(5, 6)}\n{bye(6, 7)}"
    ),
    **{
        f"2o_SendingTimeValueOutOfRange, {offset}": (
            f"> 35=0|34=2|52={offset}\n< 35=3|34=2|45=2|58=SendingTime accuracy problem|372=0|373=10\n< 35=5|34=3\n> 35=5|34=3\nclosed"
        )
        for offset in ("<-121>", "<+121>")
    },
    "2q_MsgTypeNotValid": f"> 35=*|34=2\n< 35=3|34=2|45=2|58=Invalid MsgType|372=*|373=11\n{bye(3, 3)}",
    "2r_UnregisteredMsgType": (
        "> 35=8|34=2|37=id|17=id|150=0|39=0|55=WLRI|54=1|151=100|14=0|6=0.0\n"
        f"< 35=j|34=2|45=2|58=Unsupported Message Type|372=8|380=3\n{bye(3, 3)}"
    ),
    "2t_FirstThreeFieldsOutOfOrder": (
        f">> 35=0|8=FIX.4.4|9=29|34=2|49=TW44|52=<now>|56=ISLD|10=121|\n{ping(2, 2)}\n"
        f">> 8=FIX.4.4|9=51|34=3|35=0|49=TW44|52=<now>|56=ISLD|10=121|\n{ping(3, 3)}\n{bye(4, 4)}"
    ),
    "3b_InvalidChecksum": (
        f">> 8=FIX.4.4|9=51|35=0|34=2|49=TW44|52=<now>|56=ISLD|10=999|\n> 35=0|34=3\n< 35=2|34=2|7=2|16=0\n> 35=0|34=2|43=Y|122=<now>\n"
        f"{bye(4, 3)}"
    ),
    "3c_GarbledMessage": (
        f">> 8=FIX.4.4|9=81|35=D|34=2|49garbled=TW|52=<now>|56=ISLD|{ORDER}|10=0|\n> 35=0|34=3\n< 35=2|34=2|7=2|16=0\n"
        f"> 35=D|34=2|122=<now>|{ORDER}\n< 35=D|34=3|{ORDER}\n{bye(4, 4)}"
    ),
    "4b_ReceivedTestRequest": f"{ping(2, 2)}\n{bye(3, 3)}",
    "7_ReceiveRejectMessage": f"> 35=3|34=2|45=2|58=Any text\n{ping(3, 2)}\n{bye(4, 3)}",
    "8_AdminAndApplicationMessages": "\n".join([
        ping(2, 2), ping(3, 3), ping(4, 4), echo(5, 5), echo(6, 6), ping(7, 7), ping(8, 8), echo(9, 9),
        "> 35=2|34=10|7=2|16=4", gap_fill(2, 5),
        "> 35=2|34=11|7=2|16=6", gap_fill(2, 5), resent(5), resent(6),
        "> 35=2|34=12|7=2|16=8", gap_fill(2, 5), resent(5), resent(6), gap_fill(7, 9),
        "> 35=2|34=13|7=2|16=9", gap_fill(2, 5), resent(5), resent(6), gap_fill(7, 9), resent(9),
        "> 35=2|34=14|7=2|16=0", gap_fill(2, 5), resent(5), resent(6), gap_fill(7, 9), resent(9),
        ping(15, 10), bye(16, 11),
    ]),
    "8_OnlyAdminMessages": "\n".join([
        ping(2, 2), ping(3, 3), ping(4, 4), "> 35=2|34=5|7=1|16=4", gap_fill(1, 5), ping(6, 5),
        # A request under a number that was used: answered, and the expected number stays.
        "> 35=2|34=5|7=1|16=0", gap_fill(1, 6), "> 35=2|34=7|7=2|16=0", gap_fill(2, 6), bye(8, 6),
    ]),
    "8_OnlyApplicationMessages": "\n".join([
        echo(2, 2), echo(3, 3), echo(4, 4), "> 35=2|34=5|7=2|16=4", resent(2), resent(3), resent(4), ping(6, 5),
        "> 35=2|34=7|7=2|16=0", resent(2), resent(3), resent(4), gap_fill(5, 6), bye(8, 6),
    ]),
    "10_MsgSeqNumEqual": f"> 35=4|34=2|36=20|123=Y\n{ping(20, 2)}\n{bye(21, 3)}",
    "10_MsgSeqNumGreater": f"> 35=4|34=10|36=20|123=Y\n< 35=2|34=2|7=2|16=0\n> 35=1|34=20|112=HELLO\n{bye(2, 3)}",
    "10_MsgSeqNumLess": (
        f"> 35=4|34=1|43=Y|122=<-1>|36=20|123=Y\n{ping(2, 2)}\n> 35=4|34=1|36=20|123=Y\n< 35=5|34=3|58={TOO_LOW} 3 but received 1\nclosed"
    ),
    "11a_NewSeqNoGreater": f"> 35=4|34=0|36=20\n{ping(20, 2)}\n> 35=4|34=0|36=40|123=N\n{ping(40, 3)}\n{bye(41, 4)}",
    "11b_NewSeqNoEqual": f"> 35=4|34=0|36=2\n{ping(2, 2)}\n> 35=4|34=0|36=3|123=N\n{ping(3, 3)}\n{bye(4, 4)}",
    "11c_NewSeqNoLess": (
        f"> 35=4|34=0|36=1\n< 35=3|34=2|45=0|{OUT_OF_RANGE}|372=4|373=5\n{ping(2, 3)}\n"
        f"> 35=4|34=0|36=1|123=N\n< 35=3|34=4|45=0|{OUT_OF_RANGE}|372=4|373=5\n{ping(3, 5)}\n{bye(4, 6)}"
    ),
    "13b_UnsolicitedLogoutMessage": bye(2, 2),
    "14a_BadField": "\n".join([
        *(f"> 35=0|34={n}|{tag}=HI\n< 35=3|34={n}|45={n}|{INVALID_TAG}|371={tag}|372=0|373=0"
          for n, tag in ((2, 999), (3, 0), (4, -1), (5, 5000))),
        bye(6, 6),
    ]),
    "14b_RequiredFieldMissing": (
        f"> 35=0|34=2|56=ABSENT\n< 35=3|34=2|45=2|{MISSING}|371=56|372=0|373=1\n"
        f"> 35=D|34=3|40=1|60=<now>|54=1|21=3|55=INTC\n< 35=3|34=3|45=3|{MISSING}|371=11|372=D|373=1\n{bye(4, 4)}"
    ),
    "14c_TagNotDefinedForMsgType": (
        f"> 35=0|34=2|55=MSFT\n< 35=3|34=2|45=2|58=Tag not defined for this message type|371=55|372=0|373=2\n{bye(3, 3)}"
    ),
    "14d_TagSpecifiedWithoutValue": f"> 35=0|34=2|56=\n< 35=3|34=2|45=2|{NO_VALUE}|371=56|372=0|373=4\n{bye(3, 3)}",
    "14e_IncorrectEnumValue": (
        f"> 35=D|34=2|11=ID|21=4|40=1|54=1|38=002000.00|55=INTC|60=<now>\n< 35=3|34=2|45=2|{OUT_OF_RANGE}|371=21|372=D|373=5\n"
        f"> 35=D|34=3|11=ID|21=1|40=1|54=1|38=002000.00|55=INTC|60=<now>|167=BOO\n< 35=3|34=3|45=3|{OUT_OF_RANGE}|371=167|372=D|373=5\n"
        "> 35=D|34=4|11=ID|21=1|40=1|54=1|38=002000.00|55=INTC|60=<now>|167=CS\n"
        f"< 35=D|34=4|11=ID|21=1|38=002000.00|40=1|54=1|55=INTC|60=<now>|167=CS\n{bye(5, 5)}"
    ),
    "14f_IncorrectDataFormat": (
        "> 35=D|34=2|11=ID|21=3|40=1|54=1|38=+200.00|55=INTC|60=<now>\n"
        f"< 35=3|34=2|45=2|58=Incorrect data format for value|371=38|372=D|373=6\n{bye(3, 3)}"
    ),
    "14g_HeaderBodyTrailerFieldsOutOfOrder": (
        f"> 35=D|{ORDER}|34=2|49=TW44|52=<now>|56=ISLD\n< 35=3|34=2|45=2|58=Tag specified out of required order|371=34|372=D|373=14\n"
        "> 35=D|55=MSFT|34=3|49=TW44|52=<now>|56=ISLD|11=id|21=3|40=1|54=1|60=<now>\n"
        f"< 35=3|34=3|45=3|58=Tag specified out of required order|371=34|372=D|373=14\n{bye(4, 4)}"
    ),
    "14h_RepeatedTag": (
        f"> 35=D|34=2|11=ID|21=3|40=1|40=1|54=1|55=INTC|60=<now>\n< 35=3|34=2|45=2|58=Tag appears more than once|371=40|372=D|373=13\n{bye(3, 3)}"
    ),
    "14i_RepeatingGroupCountNotEqual": (
        "> 35=D|34=2|11=ID|21=1|40=1|54=1|38=200.00|55=INTC|386=3|336=PRE-OPEN|336=AFTER-HOURS|60=<now>\n"
        f"< 35=3|34=2|45=2|58=Incorrect NumInGroup count for repeating group|371=386|372=D|373=16\n{bye(3, 3)}"
    ),
    "15_HeaderAndBodyFieldsOrderedDifferently": (
        f"{echo(2, 2)}\n> 35=D|49=TW44|34=3|56=ISLD|52=<now>|40=1|55=MSFT|60=<now>|54=1|21=3|11=id\n"
        f"< 35=D|34=3|11=id|21=3|40=1|54=1|55=MSFT|60=<now>\n{bye(4, 4)}"
    ),
    "19a_PossResendMessageThatHAsAlreadyBeenSent": f"{echo(2, 2)}\n> 35=D|34=3|97=Y|{ORDER}\n{ping(4, 3)}\n{bye(5, 4)}",
    "19b_PossResendMessageThatHasNotBeenSent": f"> 35=D|34=2|97=Y|{ORDER}\n< 35=D|34=2|97=Y|{ORDER}\n{bye(3, 3)}",
    "20_SimultaneousResendRequest": "\n".join([
        echo(2, 2), echo(3, 3), "> 35=0|34=7", "< 35=2|34=4|7=4|16=0", "> 35=2|34=8|7=2|16=3", resent(2), resent(3),
        *(f"> 35=0|34={number}|43=Y|122=<now>" for number in (4, 5, 6)), bye(7, 5),
    ]),
    "21_RepeatingGroupSpecifierWithValueOfZero": (
        "> 35=d|34=2|320=JCD|322=1034|323=6|55=TBS|22=8|167=CS|336=ONE_MAIN|58=No products|454=0\n"
        f"< 35=d|34=2|22=8|55=TBS|58=No products|167=CS|320=JCD|322=1034|323=6|336=ONE_MAIN|454=0\n{bye(3, 3)}"
    ),
    "RejectResentMessage": (
        "> 35=1|34=3|112=HELLO1\n< 35=2|34=2|7=2|16=0\n"
        f"> 35=D|34=2|43=Y|122=<now>|{ORDER}|126=20040415\n< 35=3|34=3|45=2|58=Incorrect data format for value|371=126|372=D|373=6\n"
        f"< 35=0|34=4|112=HELLO1\n{ping(4, 5, 'HELLO2')}\n{bye(11, 6)}"
    ),
    "ReverseRoute": "\n".join([
        *(f"> 35=D|34={n}|{route}|11=ID|21=3|38=100|40=w|54=1|55=INTC|60=<now>\n"
          f"< 35=3|34={n}|{back}|45={n}|{OUT_OF_RANGE}|371=40|372=D|373=5"
          for n, route, back in (
              (2, "115=JCD", "128=JCD"), (3, "128=JCD", "115=JCD"), (4, "115=JCD|116=CS", "128=JCD|129=CS"),
              (5, "128=JCD|129=CS", "115=JCD|116=CS"), (6, "115=JCD|116=CS|144=CHI", "128=JCD|129=CS|145=CHI"),
              (7, "128=JCD|129=CS|145=CHI", "115=JCD|116=CS|144=CHI"))),
        bye(8, 8),
    ]),
    "ReverseRouteWithEmptyRoutingTags": "\n".join([
        *(f"> 35=D|34={n}|{route}|11=ID|21=3|38=100|40=1|54=1|55=INTC|60=<now>\n"
          f"< 35=3|34={n}|{back}45={n}|{NO_VALUE}|371={tag}|372=D|373=4"
          for n, route, back, tag in (
              (2, "115=", "", 115), (3, "128=", "", 128), (4, "115=JCD|116=", "128=JCD|", 116), (5, "128=JCD|129=", "115=JCD|", 129),
              (6, "115=JCD|116=CS|144=", "128=JCD|129=CS|", 144), (7, "128=JCD|129=CS|145=", "115=JCD|116=CS|", 145))),
        bye(8, 8),
    ]),
}  # fmt: skip
