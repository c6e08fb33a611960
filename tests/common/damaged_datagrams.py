"""Damaged datagrams for fuzzing: random bytes, and valid messages with bytes replaced, removed or repeated."""

import random
from collections.abc import Iterator

import msgspec

_VALID = (
    {"status": 200552},
    {"status": 200554, "data": {"auth": 3, "encry": 3, "ssid": "不要上我", "pwd": "nopass-nopass"}},
    {"status": 200554, "data": {"auth": 0, "encry": 0, "ssid": "cafe", "pwd": {"nonce": "AAAA", "sealed": "AAAA"}}},
    {"msg": {"category": "gw", "sn": "7", "param": {"ip": None}}, "status": 200501},
    {"msg": {"category": "gw"}, "status": 200601},
)


def damaged_datagrams(chance: random.Random, count: int) -> Iterator[bytes]:
    """`count` datagrams, three in ten of them random bytes; `chance` makes them reproducible."""
    messages = [msgspec.json.encode(message) for message in _VALID]
    for _ in range(count):
        if chance.random() < 0.3:
            yield chance.randbytes(chance.randrange(1, 2100))
            continue
        datagram = bytearray(chance.choice(messages))
        for _ in range(chance.randrange(0, 5)):
            position = chance.randrange(len(datagram))
            match chance.randrange(3):
                case 0:
                    datagram[position] = chance.randrange(256)
                case 1:
                    del datagram[position : position + chance.randrange(1, 9)]
                case _:
                    datagram[position:position] = datagram[position : position + chance.randrange(1, 40)]
            datagram = datagram or bytearray(b"{")
        yield bytes(datagram)
