"""Tag numbers and message types of FIX 4.4 that the session layer itself reads or writes, by their names in the specification."""

from typing import Final

BEGIN_SEQ_NO: Final = 7
BEGIN_STRING: Final = 8
BODY_LENGTH: Final = 9
CHECK_SUM: Final = 10
END_SEQ_NO: Final = 16
MSG_SEQ_NUM: Final = 34
MSG_TYPE: Final = 35
NEW_SEQ_NO: Final = 36
POSS_DUP_FLAG: Final = 43
REF_SEQ_NUM: Final = 45
SENDER_COMP_ID: Final = 49
SENDER_SUB_ID: Final = 50
SENDING_TIME: Final = 52
TARGET_COMP_ID: Final = 56
TARGET_SUB_ID: Final = 57
TEXT: Final = 58
SIGNATURE: Final = 89
RAW_DATA_LENGTH: Final = 95
POSS_RESEND: Final = 97
ENCRYPT_METHOD: Final = 98
HEART_BT_INT: Final = 108
TEST_REQ_ID: Final = 112
ON_BEHALF_OF_COMP_ID: Final = 115
ON_BEHALF_OF_SUB_ID: Final = 116
ORIG_SENDING_TIME: Final = 122
GAP_FILL_FLAG: Final = 123
DELIVER_TO_COMP_ID: Final = 128
DELIVER_TO_SUB_ID: Final = 129
RESET_SEQ_NUM_FLAG: Final = 141
ON_BEHALF_OF_LOCATION_ID: Final = 144
DELIVER_TO_LOCATION_ID: Final = 145
REF_TAG_ID: Final = 371
REF_MSG_TYPE: Final = 372
SESSION_REJECT_REASON: Final = 373
BUSINESS_REJECT_REF_ID: Final = 379
BUSINESS_REJECT_REASON: Final = 380
DEFAULT_APPL_VER_ID: Final = 1137

HEARTBEAT: Final = "0"
TEST_REQUEST: Final = "1"
RESEND_REQUEST: Final = "2"
REJECT: Final = "3"
SEQUENCE_RESET: Final = "4"
LOGOUT: Final = "5"
LOGON: Final = "A"
BUSINESS_MESSAGE_REJECT: Final = "j"

ADMIN_TYPES: Final = frozenset({HEARTBEAT, TEST_REQUEST, RESEND_REQUEST, REJECT, SEQUENCE_RESET, LOGOUT, LOGON})

#: Fields of the standard header of FIX 4.2 to FIXT 1.1 (volume 1), hop group included.
HEADER_TAGS: Final = frozenset({
    8, 9, 35, 49, 56, 115, 128, 90, 91, 34, 50, 142, 57, 143, 116, 144, 129, 145, 43, 97, 52, 122, 212, 213, 347, 369, 627,
    628, 629, 630, 370, 1128, 1129, 1156,
})  # fmt: skip
TRAILER_TAGS: Final = frozenset({93, 89, 10})
