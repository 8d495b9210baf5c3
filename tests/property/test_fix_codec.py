"""The FIX codec under generated input: checksum, round trip, an independent decoder, garbage and arbitrary cuts of the stream."""

import simplefix
from hypothesis import example, given
from hypothesis import strategies as st

from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.dictionary.validation import dictionary_refusal
from exchanges.fix.encoder import FrameEncoder
from exchanges.fix.message import Field, Parser, checksum, encode

BODY_TAGS = [1, 11, 15, 21, 38, 40, 44, 54, 55, 58, 59, 60, 207, 448]
values = st.binary(min_size=1, max_size=300).filter(lambda value: b"\x01" not in value)
fields = st.lists(st.tuples(st.sampled_from(BODY_TAGS), values), max_size=20)
messages = st.lists(st.tuples(st.sampled_from(["D", "8", "AE", "0"]), fields), min_size=1, max_size=6)
#: Nothing in it can pass for the beginning of a frame, so no good message may be lost behind it.
garbage = st.binary(max_size=60).map(lambda data: data.replace(b"8=FIX", b"?"))
ENCODER = FrameEncoder("FIX.4.4", "TRADSYS-W1", "EGX")
TIME = b"20260302-09:30:00.000"


def frame_of(msg_type: str, number: int, body: list[Field]) -> bytes:
    return ENCODER.frame(msg_type, number, TIME, body)


@given(st.binary(max_size=3000))
@example(b"\xff" * 256)
@example(b"\xff" * 257)
@example(b"\xff" * 70_000)
def test_the_checksum_is_the_sum_of_the_bytes(data: bytes) -> None:
    assert checksum(data) == sum(data) % 256


@given(messages)
def test_what_is_encoded_is_parsed_back_field_by_field(batch: list[tuple[str, list[Field]]]) -> None:
    parser = Parser()
    for number, (msg_type, body) in enumerate(batch, 1):
        [message] = parser.feed(frame_of(msg_type, number, body))
        assert (message.msg_type, message.required_int(34)) == (msg_type, number)
        assert list(message.fields)[7:-1] == body
        # Again, so that the compiled layout is used as well.
        for _ in range(3):
            [again] = parser.feed(message.raw)
            assert (again.tags, list(again.values)) == (message.tags, list(message.values))


@given(st.sampled_from(["D", "8"]), fields)
def test_an_independent_decoder_reads_the_same_fields(msg_type: str, body: list[Field]) -> None:
    decoder = simplefix.FixParser()
    decoder.append_buffer(frame_of(msg_type, 7, body))
    decoded = decoder.get_message()
    assert decoded is not None
    head = [(8, b"FIX.4.4"), (35, msg_type.encode()), (34, b"7"), (49, b"TRADSYS-W1"), (52, TIME), (56, b"EGX")]
    assert [(int(tag), value) for tag, value in decoded.pairs if int(tag) not in (9, 10)] == head + body


@given(messages, st.lists(garbage, min_size=7, max_size=7), st.data())
def test_no_cut_and_no_garbage_loses_a_good_message(
    batch: list[tuple[str, list[Field]]], noise: list[bytes], data: st.DataObject
) -> None:
    frames = [frame_of(msg_type, number, body) for number, (msg_type, body) in enumerate(batch, 1)]
    stream = b"".join(part for pair in zip(noise, [*frames, *[b""] * 7], strict=False) for part in pair)
    parser, found, place = Parser(), [], 0
    while place < len(stream):
        size = data.draw(st.integers(1, 200))
        found += parser.feed(stream[place : place + size])
        place += size
    assert [message.raw for message in found] == frames


@given(
    st.lists(
        st.binary(max_size=120)
        | st.sampled_from([b"8=FIX.4.4\x01", b"9=5\x01", b"35=0\x01", b"10=000\x01", b"=", b"9=99999999\x01"])
    )
)
def test_nothing_makes_the_parser_or_the_dictionary_raise(parts: list[bytes]) -> None:
    parser = Parser()
    for part in parts:
        for message in parser.feed(part):
            dictionary_refusal(FIX44, message)


tag_texts = st.integers(-5, 1200).map(lambda tag: b"%d" % tag)


@given(st.sampled_from([b"D", b"8", b"X", b"*", b""]), st.lists(st.tuples(tag_texts, values | st.just(b""))))
def test_any_well_framed_message_is_either_good_or_refused_with_a_reason(msg_type: bytes, body: list[tuple[bytes, bytes]]) -> None:
    text = b"35=%b\x0134=1\x01" % msg_type + b"".join(b"%b=%b\x01" % field for field in body)
    start = b"8=FIX.4.4\x019=%d\x01%b" % (len(text), text)
    for message in Parser().feed(start + b"10=%03d\x01" % (sum(start) % 256)):
        refusal = dictionary_refusal(FIX44, message)
        assert refusal is None or refusal.reason >= 0


@given(st.binary(min_size=1, max_size=100))
def test_a_data_field_may_hold_any_byte(data: bytes) -> None:
    frame = encode(b"FIX.4.4", [(35, b"A"), (34, b"1"), (95, b"%d" % len(data)), (96, data), (108, b"30")])
    [message] = Parser().feed(frame)
    assert message.required(96) == data
    assert message.required_int(108) == 30
