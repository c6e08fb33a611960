"""The framing alone, without sockets: what a line may do to it, it never delivers a wrong frame."""

import random

from hypothesis import given
from hypothesis import strategies as st

from gatewayd.simulator.radio import ash
from gatewayd.simulator.radio.ash import Ash, FrameReader, HostReset, Payload

RST = ash.encode(b"\xc0")


class Peer:
    """The other side of the line, as simple as it can be: it keeps what it is sent and can acknowledge it."""

    def __init__(self, window: int = ash.WINDOW) -> None:
        self.ncp = Ash(window)
        self.reader = FrameReader()
        self.reset()

    def reset(self) -> None:
        assert self.give(RST) == [HostReset()]
        self.ncp.reset(ash.ResetReason.SOFTWARE)
        assert self.take() == [bytes((0xC1, ash.ASH_VERSION, ash.ResetReason.SOFTWARE))]

    def give(self, line: bytes, now: float = 0.0) -> list[ash.Event]:
        return [event for frame in self.reader.feed(line) for event in self.ncp.receive(frame, now)]

    def take(self) -> list[bytes]:
        """The bodies of what the coordinator sends."""
        bodies = [ash.decode(frame[:-1]) for frame in self.ncp.frames_to_send()]
        return [body for body in bodies if body is not None]


def data(number: int, payload: bytes, *, ack: int = 0, repeated: bool = False) -> bytes:
    return ash.encode(bytes((number << 4 | repeated << 3 | ack,)) + ash.randomize(payload))


def test_the_known_frames_of_the_specification() -> None:
    """UG101 §2.3: RST is C0 38 BC 7E, an RSTACK after power-on C1 02 02 9B 7B 7E."""
    assert ash.encode(b"\xc0").hex() == "c038bc7e"
    assert ash.encode(bytes((0xC1, 2, 2))).hex() == "c102029b7b7e"
    assert ash.decode(bytes.fromhex("c038bc")) == b"\xc0"


def test_the_noise_begins_as_specified() -> None:
    assert ash.randomize(bytes(5)).hex() == "4221a8542a"


@given(st.binary(min_size=1, max_size=200))
def test_what_is_encoded_is_decoded_and_hides_every_reserved_byte(body: bytes) -> None:
    line = ash.encode(body)
    assert not set(line[:-1]) & {ash.FLAG, ash.XON, ash.XOFF, ash.SUBSTITUTE, ash.CANCEL}
    assert ash.decode(line[:-1]) == body


def test_a_payload_is_delivered_once_and_acknowledged() -> None:
    peer = Peer()
    assert peer.give(data(0, b"hello")) == [Payload(b"hello")]
    assert peer.take() == [b"\x81"]
    assert peer.give(data(0, b"hello", repeated=True)) == []
    assert peer.take() == [b"\x81"]


def test_an_answer_carries_the_acknowledgement() -> None:
    peer = Peer()
    peer.give(data(0, b"question"))
    peer.ncp.send(b"answer", 0.0)
    assert peer.take() == [b"\x01" + ash.randomize(b"answer")]


def test_a_gap_is_refused_once_until_the_missing_frame_comes() -> None:
    peer = Peer()
    assert peer.give(data(1, b"second")) == []
    assert peer.take() == [b"\xa0"]
    assert peer.give(data(2, b"third")) == []
    assert peer.take() == []
    assert peer.give(data(0, b"first")) == [Payload(b"first")]
    assert peer.take() == [b"\x81"]


def test_no_more_than_the_window_is_in_flight() -> None:
    peer = Peer(window=5)
    for number in range(7):
        peer.ncp.send(bytes((number,)), 0.0)
    assert [frame[0] >> 4 for frame in peer.take()] == [0, 1, 2, 3, 4]
    peer.give(ash.encode(b"\x82"))
    assert peer.ncp.acknowledged == 2
    assert [frame[0] >> 4 for frame in peer.take()] == [5, 6]


def test_a_refusal_brings_everything_unacknowledged_again() -> None:
    peer = Peer()
    for payload in (b"a", b"b", b"c"):
        peer.ncp.send(payload, 0.0)
    peer.take()
    peer.give(ash.encode(b"\xa1"))
    assert [frame[0] & 0xF8 for frame in peer.take()] == [0x18, 0x28]


def test_silence_brings_it_again_and_at_last_an_error() -> None:
    peer = Peer()
    peer.ncp.send(b"anybody?", 0.0)
    peer.take()
    now = 0.0
    for _ in range(ash.MAX_ACK_TIMEOUTS):
        assert peer.ncp.deadline is not None
        now = peer.ncp.deadline
        peer.ncp.tick(now)
        assert [frame[0] for frame in peer.take()] == [0x08]
    peer.ncp.tick(now + 10)
    assert peer.take() == [bytes((0xC2, ash.ASH_VERSION, ash.ERROR_ACK_TIMEOUTS))]
    assert peer.give(data(0, b"too late")) == []
    peer.reset()


def test_an_acknowledgement_in_time_stops_the_clock() -> None:
    peer = Peer()
    peer.ncp.send(b"a", 0.0)
    peer.give(ash.encode(b"\x81"), now=0.1)
    assert peer.ncp.deadline is None


def test_cancel_and_substitute_throw_away_what_they_should() -> None:
    reader = FrameReader()
    assert reader.feed(b"\x1a" * 32 + RST) == [RST[:-1]]
    assert reader.feed(b"half" + b"\x1a" + RST) == [RST[:-1]]
    assert reader.feed(b"bro\x18ken\x7e" + RST) == [RST[:-1]]
    assert reader.feed(b"\x11" + RST[:2]) == []
    assert reader.feed(b"\x13" + RST[2:]) == [RST[:-1]]


def test_a_line_that_never_ends_takes_no_memory() -> None:
    reader = FrameReader()
    for _ in range(1000):
        assert reader.feed(b"x" * 1000) == []
    assert reader.buffered < 10_000
    assert reader.feed(b"\x7e" + RST) == [RST[:-1]]


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_no_bytes_whatever_raise_or_deliver_anything(chunks: list[bytes]) -> None:
    peer = Peer()
    for chunk in chunks:
        events = peer.give(chunk)
        assert not any(isinstance(event, Payload) and not event.data for event in events)
        peer.take()


@given(st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=20), st.integers(0, 2**32))
def test_whatever_the_line_does_payloads_arrive_in_order_and_unchanged(payloads: list[bytes], seed: int) -> None:
    """Lost, doubled, damaged and split frames delay what is sent; nothing else is ever delivered."""
    chance = random.Random(seed)
    peer = Peer()
    got: list[bytes] = []
    for tries in range(40):
        first = len(got)
        for number in range(first, min(first + ash.WINDOW, len(payloads))):
            line = data(number & 7, payloads[number], repeated=tries > 0)
            line = line if tries > 30 else _mistreated(line, chance)
            cut = chance.randrange(len(line) + 1)
            for piece in (line[:cut], line[cut:]):
                got += [event.data for event in peer.give(piece) if isinstance(event, Payload)]
            assert got == payloads[: len(got)]
    assert got == payloads


def _mistreated(line: bytes, chance: random.Random) -> bytes:
    fate = chance.random()
    if fate < 0.2:
        return b""
    if fate < 0.5:
        place = chance.randrange(len(line))
        return line[:place] + bytes((line[place] ^ 1 << chance.randrange(8),)) + line[place + 1 :]
    return line * 2 if fate > 0.9 else line
