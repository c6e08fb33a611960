"""What a coordinator has in flash: its network, keys and tokens. Held in memory, or in a JSON file as well."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

WELL_KNOWN_LINK_KEY = b"ZigBeeAlliance09"


@dataclass(slots=True)
class NetworkParameters:
    """EmberNetworkParameters: a formed network. The extended PAN id is bytes as on the wire."""

    extended_pan_id: bytes
    pan_id: int
    tx_power: int
    channel: int
    join_method: int
    manager: int
    update_id: int
    channels: int

    def fields(self) -> tuple[bytes, int, int, int, int, int, int, int]:
        """In the order of the wire."""
        return (
            self.extended_pan_id, self.pan_id, self.tx_power, self.channel,
            self.join_method, self.manager, self.update_id, self.channels,
        )  # fmt: skip


@dataclass(slots=True)
class Flash:
    """The coordinator's flash. `link_keys` is the key table: index → (EUI64, key); `tokens`: (token, index) → value."""

    network: NetworkParameters | None = None
    network_key: bytes = bytes(16)
    network_key_sequence: int = 0
    link_key: bytes = WELL_KNOWN_LINK_KEY
    frame_counter: int = 0x1000
    link_keys: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    tokens: dict[tuple[int, int], bytes] = field(default_factory=dict)
    file: Path | None = None

    @classmethod
    def load(cls, file: Path | None) -> "Flash":
        """What the file holds; a new flash where there is none."""
        if file is None or not file.exists():
            return cls(file=file)
        content = json.loads(file.read_text())
        network = content["network"]
        if network is not None:
            network = NetworkParameters(**{**network, "extended_pan_id": bytes.fromhex(network["extended_pan_id"])})
        return cls(
            network=network,
            network_key=bytes.fromhex(content["network_key"]),
            network_key_sequence=content["network_key_sequence"],
            link_key=bytes.fromhex(content["link_key"]),
            frame_counter=content["frame_counter"],
            link_keys={i: (bytes.fromhex(a), bytes.fromhex(k)) for i, a, k in content["link_keys"]},
            tokens={(token, index): bytes.fromhex(value) for token, index, value in content["tokens"]},
            file=file,
        )

    def save(self) -> None:
        """Write the file at once, whole or not at all."""
        if self.file is None:
            return
        network = self.network
        content = {
            "network": network
            and dict(zip(NetworkParameters.__slots__, network.fields(), strict=True))
            | {"extended_pan_id": network.extended_pan_id.hex()},
            "network_key": self.network_key.hex(),
            "network_key_sequence": self.network_key_sequence,
            "link_key": self.link_key.hex(),
            "frame_counter": self.frame_counter,
            "link_keys": [[i, a.hex(), k.hex()] for i, (a, k) in self.link_keys.items()],
            "tokens": [[token, index, value.hex()] for (token, index), value in self.tokens.items()],
        }
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(content, indent=1))
        os.replace(part, self.file)

    def erase(self) -> None:
        """Factory reset: forget the network and its keys, keep the tokens (the address is one of them)."""
        self.network = None
        self.link_keys.clear()
        self.save()
