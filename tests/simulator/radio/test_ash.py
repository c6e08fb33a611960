"""ASH framing without sockets: whatever happens to the bytes, no wrong frame is delivered."""

import random

from hypothesis import given
from hypothesis import strategies as st

from gatewayd.simulator.radio import ash
from gatewayd.simulator.radio.ash import Ash, FrameReader, HostReset, Payload

RST = ash.encode(bytes((ash.RST,)))


class Peer:
    """A host that sends given frames and decodes what the coordinator sends."""

    def __init__(self, window: int = ash.WINDOW) -> None:
        self.ncp = Ash(window)
        self.reader = FrameReader()
        self.reset()

    def reset(self) -> None:
        assert self.send(RST) == [HostReset()]
        self.ncp.reset(ash.ResetReason.SOFTWARE)
        assert self.received() == [bytes((ash.RSTACK, ash.ASH_VERSION, ash.ResetReason.SOFTWARE))]

    def send(self, data: bytes, now: float = 0.0) -> list[ash.Event]:
        return [event for frame in self.reader.feed(data) for event in self.ncp.receive(frame, now)]

    def received(self) -> list[bytes]:
        """The bodies of the frames that the coordinator has sent."""
        bodies = [ash.decode(frame[:-1]) for frame in self.ncp.frames_to_send()]
        return [body for body in bodies if body is not None]


def data_frame(number: int, payload: bytes, *, ack: int = 0, retransmitted: bool = False) -> bytes:
    return ash.encode(bytes((number << 4 | retransmitted << 3 | ack,)) + ash.randomize(payload))


def test_frames_match_examples_of_specification() -> None:
    """UG101 §2.3: RST is C0 38 BC 7E, an RSTACK after power-on C1 02 02 9B 7B 7E."""
    assert ash.encode(b"\xc0").hex() == "c038bc7e"
    assert ash.encode(bytes((ash.RSTACK, 2, 2))).hex() == "c102029b7b7e"
    assert ash.decode(bytes.fromhex("c038bc")) == b"\xc0"


def test_pseudo_random_sequence_begins_as_specified() -> None:
    assert ash.randomize(bytes(5)).hex() == "4221a8542a"


@given(st.binary(min_size=1, max_size=200))
def test_encoded_frame_decodes_and_has_no_reserved_byte(body: bytes) -> None:
    frame = ash.encode(body)
    assert not set(frame[:-1]) & {ash.FLAG, ash.XON, ash.XOFF, ash.SUBSTITUTE, ash.CANCEL}
    assert ash.decode(frame[:-1]) == body


def test_payload_repeated_is_delivered_once_and_acknowledged_twice() -> None:
    peer = Peer()
    assert peer.send(data_frame(0, b"hello")) == [Payload(b"hello")]
    assert peer.received() == [b"\x81"]
    assert peer.send(data_frame(0, b"hello", retransmitted=True)) == []
    assert peer.received() == [b"\x81"]


def test_data_frame_carries_acknowledgement() -> None:
    peer = Peer()
    peer.send(data_frame(0, b"request"))
    peer.ncp.send(b"response", 0.0)
    assert peer.received() == [b"\x01" + ash.randomize(b"response")]


def test_missing_frame_is_rejected_once_until_it_arrives() -> None:
    peer = Peer()
    assert peer.send(data_frame(1, b"second")) == []
    assert peer.received() == [b"\xa0"]
    assert peer.send(data_frame(2, b"third")) == []
    assert peer.received() == []
    assert peer.send(data_frame(0, b"first")) == [Payload(b"first")]
    assert peer.received() == [b"\x81"]


def test_frames_in_flight_are_limited_to_window() -> None:
    peer = Peer(window=5)
    for number in range(7):
        peer.ncp.send(bytes((number,)), 0.0)
    assert [frame[0] >> 4 for frame in peer.received()] == [0, 1, 2, 3, 4]
    peer.send(ash.encode(b"\x82"))
    assert peer.ncp.acknowledged == 2
    assert [frame[0] >> 4 for frame in peer.received()] == [5, 6]


def test_nak_resends_every_unacknowledged_frame() -> None:
    peer = Peer()
    for payload in (b"a", b"b", b"c"):
        peer.ncp.send(payload, 0.0)
    peer.received()
    peer.send(ash.encode(b"\xa1"))
    assert [frame[0] & 0xF8 for frame in peer.received()] == [0x18, 0x28]


def test_unacknowledged_frame_is_resent_then_connection_fails() -> None:
    peer = Peer()
    peer.ncp.send(b"unacknowledged", 0.0)
    peer.received()
    now = 0.0
    for _ in range(ash.MAX_ACK_TIMEOUTS):
        assert peer.ncp.deadline is not None
        now = peer.ncp.deadline
        peer.ncp.tick(now)
        assert [frame[0] for frame in peer.received()] == [0x08]
    peer.ncp.tick(now + 10)
    assert peer.received() == [bytes((ash.ERROR, ash.ASH_VERSION, ash.ERROR_ACK_TIMEOUTS))]
    assert peer.send(data_frame(0, b"too late")) == []
    peer.reset()


def test_acknowledgement_in_time_clears_deadline() -> None:
    peer = Peer()
    peer.ncp.send(b"a", 0.0)
    peer.send(ash.encode(b"\x81"), now=0.1)
    assert peer.ncp.deadline is None


def test_cancel_and_substitute_discard_damaged_frame() -> None:
    reader = FrameReader()
    assert reader.feed(b"\x1a" * 32 + RST) == [RST[:-1]]
    assert reader.feed(b"half" + b"\x1a" + RST) == [RST[:-1]]
    assert reader.feed(b"bro\x18ken\x7e" + RST) == [RST[:-1]]
    assert reader.feed(b"\x11" + RST[:2]) == []
    assert reader.feed(b"\x13" + RST[2:]) == [RST[:-1]]


def test_frame_without_end_is_discarded_and_memory_is_bounded() -> None:
    reader = FrameReader()
    for _ in range(1000):
        assert reader.feed(b"x" * 1000) == []
    assert reader.buffered < 10_000
    assert reader.feed(b"\x7e" + RST) == [RST[:-1]]


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_random_bytes_deliver_nothing_and_do_not_raise(chunks: list[bytes]) -> None:
    peer = Peer()
    for chunk in chunks:
        events = peer.send(chunk)
        assert not any(isinstance(event, Payload) and not event.data for event in events)
        peer.received()


@given(st.lists(st.binary(min_size=1, max_size=80), min_size=1, max_size=20), st.integers(0, 2**32))
def test_payloads_arrive_in_order_and_unchanged_when_frames_are_damaged(payloads: list[bytes], seed: int) -> None:
    """Lost, duplicated, damaged and split frames only delay payloads; nothing else is delivered."""
    chance = random.Random(seed)
    peer = Peer()
    delivered: list[bytes] = []
    for attempt in range(40):
        first = len(delivered)
        for number in range(first, min(first + ash.WINDOW, len(payloads))):
            frame = data_frame(number & 7, payloads[number], retransmitted=attempt > 0)
            frame = frame if attempt > 30 else _damaged(frame, chance)
            cut = chance.randrange(len(frame) + 1)
            for piece in (frame[:cut], frame[cut:]):
                delivered += [event.data for event in peer.send(piece) if isinstance(event, Payload)]
            assert delivered == payloads[: len(delivered)]
    assert delivered == payloads


def _damaged(frame: bytes, chance: random.Random) -> bytes:
    kind = chance.random()
    if kind < 0.2:
        return b""
    if kind < 0.5:
        place = chance.randrange(len(frame))
        return frame[:place] + bytes((frame[place] ^ 1 << chance.randrange(8),)) + frame[place + 1 :]
    return frame * 2 if kind > 0.9 else frame
