"""The FIX codec under generated input: checksum, round trip, an independent decoder, garbage and arbitrary cuts of the stream."""

import simplefix
from hypothesis import example, given
from hypothesis import strategies as st

from exchanges.fix.dictionary.fix44 import FIX44
from exchanges.fix.dictionary.validation import dictionary_refusal
from exchanges.fix.encoder import FrameEncoder
from exchanges.fix.message import Field, Parser, checksum, encode
from exchanges.fix.shape import Shape

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


shape_tags = st.lists(st.sampled_from([386, 336, *BODY_TAGS]), min_size=1, max_size=12)


@given(st.sampled_from(["D", "8", "AE"]), shape_tags, st.data())
def test_a_filled_shape_is_framed_as_the_list_of_its_fields(msg_type: str, tags: list[int], data: st.DataObject) -> None:
    shape = Shape(msg_type, tags)
    batch = [shape.fill([data.draw(values) for _ in tags]) for _ in range(3)]
    frames = ENCODER.filled_frames(9, TIME, batch)
    assert frames == [(number, frame_of(msg_type, number, filled.fields)) for number, filled in enumerate(batch, 9)]


order_values = st.fixed_dictionaries({
    11: st.sampled_from([b"ID", b""]),
    38: st.sampled_from([b"1", b"-2.50", b"1.", b".5", b"+1", b"1,0", b".", b"1" * 30]),
    40: st.sampled_from([b"1", b"2", b"w", b"12"]),
    54: st.sampled_from([b"1", b"0"]),
    55: st.binary(min_size=1, max_size=9).filter(lambda value: b"\x01" not in value),
    60: st.sampled_from([b"20260302-09:30:00", b"20260229-09:30:00", b"20280229-09:30:00.123", b"20260302-24:00:00", b"20260302"]),
    126: st.sampled_from([b"20261231-23:59:60", b"20261231-23:59:59.123456789", b"2026"]),
    18: st.sampled_from([b"1 2 a", b"1", b"1  2", b"?"]),
    114: st.sampled_from([b"Y", b"N", b"y"]),
})  # fmt: skip


@given(order_values)
def test_the_pattern_of_good_frames_accepts_nothing_that_the_checks_refuse(order: dict[int, bytes]) -> None:
    head = b"35=D\x0134=1\x0149=A\x0152=20260302-09:30:00\x0156=B\x01"
    text = head + b"".join(b"%d=%b\x01" % field for field in order.items())
    start = b"8=FIX.4.4\x019=%d\x01%b" % (len(text), text)
    [message] = Parser().feed(start + b"10=%03d\x01" % (sum(start) % 256))
    with_pattern = dictionary_refusal(FIX44, message)
    checks = message.layout.checks[b"D"]
    checks.good = None
    assert with_pattern == dictionary_refusal(FIX44, message)


@given(st.data())
def test_a_run_of_one_shape_is_read_as_the_single_messages_whatever_is_broken_in_it(data: st.DataObject) -> None:
    body = [(11, b"1"), (55, b"COMI")]
    frames = [frame_of("D", number, body) for number in range(1, 9)]
    place = data.draw(st.integers(0, 7))
    broken = bytearray(frames[place])
    broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    stream = [*frames[:place], bytes(broken), *frames[place + 1 :]]
    warm, cold = Parser(), Parser()
    for _ in range(5):
        warm.feed(frames[0])
    found = [message.raw for message in warm.feed(b"".join(stream))]
    one_by_one = [message.raw for frame in stream for message in cold.feed(frame)]
    assert found == one_by_one
