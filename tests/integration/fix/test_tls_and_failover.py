"""Lines over TLS, with and without certificates of the clients, and lines whose first host goes away."""

import asyncio
import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exchanges.fix.application import Application
from exchanges.fix.clock import SystemClock
from exchanges.fix.connection import Acceptor, Initiator
from exchanges.fix.message import Message
from exchanges.fix.session import Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore
from exchanges.fix.tls import acceptor_tls, initiator_tls
from tests.unit.fix.harness import EchoApplication

ORDER = [(11, b"1"), (40, b"1"), (54, b"1"), (55, b"COMI"), (60, b"20260302-09:30:00")]


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


class OrderTaker(Application):
    """Keeps what comes and answers nothing."""

    def __init__(self) -> None:
        self.received: list[Message] = []

    def on_application_message(self, session: Session, message: Message) -> None:
        self.received.append(message)


class Authority:
    """A certificate authority for one test; `issue` writes NAME.pem and NAME.key."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder(subject_name=subject, issuer_name=self._name, public_key=key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(hours=1))
        )

    def issue(self, name: str) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        certificate, private = self._folder / f"{name}.pem", self._folder / f"{name}.key"
        certificate.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        private.write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
        return certificate, private


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def venue_session(application: Application | None = None) -> Session:
    config = SessionConfig(sender_comp_id="EGX", target_comp_id="MEMBER", role="acceptor")
    return Session(config, application or EchoApplication(), MemoryStore(), SystemClock())


def member(*ports: int, **settings: object) -> tuple[Initiator, OrderTaker]:
    application = OrderTaker()
    config = SessionConfig(
        sender_comp_id="MEMBER",
        target_comp_id="EGX",
        hosts=tuple(("127.0.0.1", port) for port in ports),
        reconnect_seconds=(0.02,),
        **settings,  # type: ignore[arg-type]
    )
    return Initiator(config, application, MemoryStore()), application


async def order_comes_back(initiator: Initiator, application: OrderTaker) -> None:
    task = asyncio.create_task(initiator.run())
    await until(lambda: initiator.logged_on)
    initiator.send("D", ORDER)
    await until(lambda: bool(application.received))
    await initiator.stop()
    await task


async def is_kept_out(initiator: Initiator, venue: Session) -> None:
    task = asyncio.create_task(initiator.run())
    await asyncio.sleep(0.3)
    assert not initiator.logged_on
    assert venue.store.next_target == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_orders_go_over_tls_and_the_venue_name_is_checked(authority: Authority) -> None:
    venue = venue_session()
    acceptor = Acceptor("127.0.0.1", 0, [venue], tls=acceptor_tls(*authority.issue("venue.example")))
    await acceptor.start()
    trust = initiator_tls(authority.file)
    other_name, _ = member(acceptor.port, tls=trust, tls_server_name="other.example")
    await is_kept_out(other_name, venue)
    await order_comes_back(*member(acceptor.port, tls=trust, tls_server_name="venue.example"))
    await acceptor.stop()


async def test_a_venue_of_an_unknown_authority_gets_no_logon(authority: Authority, tmp_path: Path) -> None:
    venue = venue_session()
    acceptor = Acceptor("127.0.0.1", 0, [venue], tls=acceptor_tls(*authority.issue("venue")))
    await acceptor.start()
    stranger, _ = member(acceptor.port, tls=initiator_tls(Authority(tmp_path, "elsewhere").file))
    await is_kept_out(stranger, venue)
    await acceptor.stop()


async def test_where_client_certificates_are_asked_for_only_one_of_their_authority_logs_on(
    authority: Authority, tmp_path: Path
) -> None:
    venue = venue_session()
    certificate, key = authority.issue("venue")
    acceptor = Acceptor("127.0.0.1", 0, [venue], tls=acceptor_tls(certificate, key, client_authorities=authority.file))
    await acceptor.start()
    nobody, _ = member(acceptor.port, tls=initiator_tls(authority.file))
    await is_kept_out(nobody, venue)
    stranger, _ = member(acceptor.port, tls=initiator_tls(authority.file, *Authority(tmp_path, "elsewhere").issue("stranger")))
    await is_kept_out(stranger, venue)
    await order_comes_back(*member(acceptor.port, tls=initiator_tls(authority.file, *authority.issue("member"))))
    await acceptor.stop()


async def test_plain_text_does_not_reach_a_tls_port(authority: Authority) -> None:
    venue = venue_session()
    acceptor = Acceptor("127.0.0.1", 0, [venue], tls=acceptor_tls(*authority.issue("venue")))
    await acceptor.start()
    plain, _ = member(acceptor.port)
    await is_kept_out(plain, venue)
    await acceptor.stop()


async def test_when_the_host_goes_away_the_line_moves_to_the_next_one_with_what_it_has_not_seen() -> None:
    takers = [OrderTaker(), OrderTaker()]
    acceptors = [Acceptor("127.0.0.1", 0, [venue_session(taker)]) for taker in takers]
    for acceptor in acceptors:
        await acceptor.start()
    initiator, _ = member(*[acceptor.port for acceptor in acceptors])
    task = asyncio.create_task(initiator.run())
    await until(lambda: initiator.logged_on)
    initiator.send("D", ORDER)
    first, second = [acceptor.sessions[0] for acceptor in acceptors]
    await until(lambda: first.store.next_target == 3)
    await acceptors[0].stop()
    # The standby has nothing yet: it asks for what it has not seen, and takes the orders from the initiator's store.
    await until(lambda: second.logged_on)
    number = initiator.send("D", ORDER)
    await until(lambda: second.store.next_target > number)
    assert [len(taker.received) for taker in takers] == [1, 2]
    await initiator.stop()
    await task
    await acceptors[1].stop()
