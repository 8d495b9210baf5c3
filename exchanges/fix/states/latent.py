"""No connection."""

from typing import TYPE_CHECKING

from exchanges.fix import tags
from exchanges.fix.states.awaiting_logon import AWAITING_LOGON
from exchanges.fix.states.awaiting_logon_answer import AWAITING_LOGON_ANSWER
from exchanges.fix.states.state import State

if TYPE_CHECKING:
    from exchanges.fix.session import Session


class Latent(State):
    def on_connected(self, session: "Session") -> None:
        if session.config.role == "acceptor":
            session.enter(AWAITING_LOGON)
            return
        fields = [(tags.ENCRYPT_METHOD, b"0"), (tags.HEART_BT_INT, b"%d" % session.config.heartbeat_seconds)]
        if session.config.reset_on_logon:
            session.reset_numbers()
            fields.append((tags.RESET_SEQ_NUM_FLAG, b"Y"))
        if session.config.application_version:
            fields.append((tags.DEFAULT_APPL_VER_ID, session.config.application_version.encode()))
        session.enter(AWAITING_LOGON_ANSWER)
        session.send_admin(tags.LOGON, fields)


LATENT = Latent()
