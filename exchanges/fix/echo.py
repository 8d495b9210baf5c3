"""The application that the public acceptance suite talks to: it sends certain messages back with their values as they came."""

from exchanges.fix import tags
from exchanges.fix.application import Application, UnsupportedMessageType
from exchanges.fix.dictionary.dictionary import Dictionary, Members
from exchanges.fix.message import Field, Message
from exchanges.fix.session import Session

_NEW_ORDER, _ECHOED = "D", frozenset({"D", "d", "C"})
_CL_ORD_ID = 11
_NOT_IN_BODY = tags.HEADER_TAGS | tags.TRAILER_TAGS
_NO_MEMBERS = Members()


class EchoApplication(Application):
    """Echoes NewOrderSingle, SecurityDefinition and Email, body in ascending order of tags with groups kept together.

    An order that says PossResend is not echoed when its ClOrdID has been seen since the logon. Every other type is refused.
    """

    def __init__(self, dictionary: Dictionary) -> None:
        self._dictionary = dictionary
        self._seen: set[bytes] = set()

    def on_logon(self, session: Session) -> None:
        self._seen.clear()

    def on_application_message(self, session: Session, message: Message) -> None:
        msg_type = message.msg_type
        if msg_type not in _ECHOED:
            raise UnsupportedMessageType
        if msg_type == _NEW_ORDER:
            order_id = message.required(_CL_ORD_ID)
            if message.get(tags.POSS_RESEND) == b"Y" and order_id in self._seen:
                return
            self._seen.add(order_id)
        body = [field for field in message.fields if field[0] not in _NOT_IN_BODY]
        fields = ascending(body, self._dictionary.messages.get(msg_type, _NO_MEMBERS))
        poss_resend = message.get(tags.POSS_RESEND)
        if poss_resend is not None:
            fields.insert(0, (tags.POSS_RESEND, poss_resend))
        session.send(msg_type, fields)


def ascending(body: list[Field], members: Members) -> list[Field]:
    """`body` in ascending order of tags; the entries of a group follow their count field in the order they came in."""
    parts: list[list[Field]] = []
    inside: frozenset[int] = frozenset()
    for field in body:
        if field[0] in inside:
            parts[-1].append(field)
            continue
        parts.append([field])
        group = members.groups.get(field[0])
        inside = frozenset() if group is None else _all_tags(group.members)
    return [field for part in sorted(parts, key=lambda part: part[0][0]) for field in part]


def _all_tags(members: Members) -> frozenset[int]:
    return members.tags.union(*[_all_tags(group.members) for group in members.groups.values()])
