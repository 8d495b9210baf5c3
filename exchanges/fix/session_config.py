"""What is agreed with a counterparty about one session. Nothing here is known to the engine by any other way."""

import ssl
from dataclasses import dataclass
from typing import Literal

from exchanges.fix.dictionary.dictionary import Dictionary
from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.schedule import SessionSchedule


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """One session seen from our side: we are `sender_comp_id`, the counterparty is `target_comp_id`.

    Times are in seconds. `hosts` (initiator only) are tried in turn. `dictionary=None` switches field checking off.
    """

    sender_comp_id: str
    target_comp_id: str
    begin_string: str = "FIX.4.4"
    #: DefaultApplVerID (1137) that both Logons of a FIXT.1.1 session name, such as "9" for FIX 5.0 SP2; empty before FIXT.
    application_version: str = ""
    role: Literal["initiator", "acceptor"] = "initiator"
    heartbeat_seconds: int = 30
    #: TestReqID (112) of our TestRequests; empty: the number of the message.
    test_request_id: str = ""
    reset_on_logon: bool = False
    reset_on_logout: bool = False
    reset_on_disconnect: bool = False
    hosts: tuple[tuple[str, int], ...] = ()
    #: TLS of the initiator's connections; None is plain TCP.
    tls: ssl.SSLContext | None = None
    #: Name that the venue's certificate has to carry; empty: the host that is connected to.
    tls_server_name: str = ""
    #: Hours of the session; None: always. Outside of them lines are closed, and each period starts with number 1 on both sides.
    schedule: SessionSchedule | None = None
    dictionary: Dictionary | None = FIX44
    check_sending_time: bool = True
    max_latency_seconds: int = 120
    logon_timeout_seconds: int = 10
    logout_timeout_seconds: int = 2
    #: An open gap that has not been filled after this time is asked for again.
    resend_timeout_seconds: int = 30
    #: Pauses before the first, second, … attempt after a connection was lost or did not come about; the last one repeats.
    reconnect_seconds: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)
    #: Each pause is shortened by a random part up to this, so that lines that were cut together do not come back together.
    reconnect_jitter_percent: int = 50
    #: Messages sent again in one go; between two goes the loop serves everything else.
    resend_chunk: int = 500
    #: Messages kept while a gap is open; more are dropped and asked for again.
    max_queued: int = 10_000
    #: Bytes waiting in the socket's buffer at which a peer that does not read is cut off; the store still has everything.
    max_unsent_bytes: int = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        for name in ("sender_comp_id", "target_comp_id", "begin_string"):
            value = getattr(self, name)
            if not value or not value.isascii() or not value.isprintable():
                raise ValueError(f"{name} must be printable ASCII text, not {value!r}")
        if self.begin_string.startswith("FIXT") != bool(self.application_version):
            raise ValueError("application_version belongs to FIXT.1.1, and FIXT.1.1 needs it")
        if self.heartbeat_seconds < 0:
            raise ValueError("heartbeat_seconds must not be negative")
        if self.role == "initiator" and not self.reconnect_seconds:
            raise ValueError("reconnect_seconds needs at least one delay")
        if not 0 <= self.reconnect_jitter_percent <= 100:
            raise ValueError("reconnect_jitter_percent must be from 0 to 100")

    @property
    def name(self) -> str:
        return f"{self.begin_string}:{self.sender_comp_id}->{self.target_comp_id}"
