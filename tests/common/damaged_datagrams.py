"""Datagrams that nobody should send: noise, and requests and answers with a few bytes changed, cut or doubled."""

import random
from collections.abc import Iterator

import msgspec

_SEEDS = (
    {"status": 200552},
    {"status": 200554, "data": {"auth": 3, "encry": 3, "ssid": "不要上我", "pwd": "nopass-nopass"}},
    {"status": 200554, "data": {"auth": 0, "encry": 0, "ssid": "cafe", "pwd": {"nonce": "AAAA", "sealed": "AAAA"}}},
    {"msg": {"category": "gw", "sn": "7", "param": {"ip": None}}, "status": 200501},
    {"msg": {"category": "gw"}, "status": 200601},
)


def datagrams(chance: random.Random, count: int) -> Iterator[bytes]:
    """Noise, and requests with a few bytes changed, cut or doubled."""
    seeds = [msgspec.json.encode(seed) for seed in _SEEDS]
    for _ in range(count):
        if chance.random() < 0.3:
            yield chance.randbytes(chance.randrange(1, 2100))
            continue
        datagram = bytearray(chance.choice(seeds))
        for _ in range(chance.randrange(0, 5)):
            place = chance.randrange(len(datagram))
            match chance.randrange(3):
                case 0:
                    datagram[place] = chance.randrange(256)
                case 1:
                    del datagram[place : place + chance.randrange(1, 9)]
                case _:
                    datagram[place:place] = datagram[place : place + chance.randrange(1, 40)]
            datagram = datagram or bytearray(b"{")
        yield bytes(datagram)
