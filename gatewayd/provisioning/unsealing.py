"""Makes the choice of a network out of a 200554: its passphrase opened, its name turned back into bytes."""

from gatewayd.model.errors import MalformedError
from gatewayd.model.wifi import Choice, is_secured
from gatewayd.provisioning.datagrams import JoinNetwork, Sealed
from gatewayd.provisioning.guard import Nonces
from gatewayd.provisioning.names import Names
from gatewayd.provisioning.seal import Bound, GatewayKey


class Unsealing:
    """With `sealed_only` a passphrase in the clear is refused (a network without one needs none)."""

    def __init__(self, key: GatewayKey, nonces: Nonces, *, sealed_only: bool) -> None:
        self._key = key
        self._nonces = nonces
        self._sealed_only = sealed_only

    def choice(self, word: JoinNetwork, names: Names, uuid: str | None, now: float) -> Choice:
        """The choice in `word`. Raises MalformedError; only a seal that opens spends its nonce."""
        ssid = names.ssid(word.ssid)
        match word.passphrase:
            case Sealed(nonce=nonce, box=box):
                bound = Bound(uuid or "", word.ssid, word.auth, word.encryption, nonce)
                passphrase = self._key.open(box, bound)
                if not self._nonces.spend(nonce, now):
                    raise MalformedError("data.pwd.nonce: spent or too old; ask for the announcement again")
            case str(passphrase):
                if self._sealed_only and (passphrase or is_secured(word.auth, word.encryption)):
                    raise MalformedError("data.pwd: this gateway takes a passphrase only sealed to its key")
        return Choice(ssid, word.auth, word.encryption, passphrase)
