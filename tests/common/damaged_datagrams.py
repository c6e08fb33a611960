"""Damaged messages for fuzzing: random bytes, and valid messages with bytes replaced, removed or repeated."""

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
_PIECES = (
    b"null",
    b"-1",
    b"1e999",
    b"1" * 40,
    b"[" * 2000,
    b"{}",
    b"true",
    b'"\\ud800"',
    b"\\u0000",
    b"\xff",
    b"0001-01-01",
)


def damaged_datagrams(chance: random.Random, count: int) -> Iterator[bytes]:
    """`count` datagrams, three in ten of them random bytes; `chance` makes them reproducible."""
    messages = [msgspec.json.encode(message) for message in _VALID]
    for _ in range(count):
        if chance.random() < 0.3:
            yield chance.randbytes(chance.randrange(1, 2100))
        else:
            yield damaged(chance, chance.choice(messages))


def damaged(chance: random.Random, message: bytes) -> bytes:
    """`message` with up to four changes; never empty."""
    content = bytearray(message)
    for _ in range(chance.randrange(0, 5)):
        position = chance.randrange(len(content))
        match chance.randrange(4):
            case 0:
                content[position] = chance.randrange(256)
            case 1:
                del content[position : position + chance.randrange(1, 9)]
            case 2:
                content[position:position] = content[position : position + chance.randrange(1, 40)]
            case _:
                content[position : position + 1] = chance.choice(_PIECES)
        content = content or bytearray(b"{")
    return bytes(content)
