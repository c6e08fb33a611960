"""The gateway's own record (§12.1), built from the Zigbee network that its coordinator runs."""

from typing import Final

from msgspec.structs import replace

from gatewayd.model.event import NetworkInfo
from gatewayd.model.ids import Category
from gatewayd.model.record import GatewayParam, Record

_COORDINATOR_ADDRESS: Final = "00:00"  # the coordinator's network address is always 0x0000
_ON_NETWORK: Final = "1"
_BODY: Final = "智能网关"  # §12.1


def build_gateway_record(title: str, type_sub: str, version: str, network: NetworkInfo, known: Record | None) -> Record:
    """The record of the gateway whose coordinator runs `network`; `version` is gatewayd's.

    `known` is the record in the mirror, if any: its title and whatever else the household or the cloud set stay.
    """
    known_param = known.param if known is not None and isinstance(known.param, GatewayParam) else GatewayParam()
    param = replace(
        known_param,
        zgb_short=_COORDINATOR_ADDRESS,
        zgb_ieee=":".join(network.coordinator[start : start + 2] for start in range(0, 16, 2)).upper(),
        zgb_ver=network.version,
        zgb_channel=str(network.channel),
        zgb_status=_ON_NETWORK,
    )
    if known is not None:
        return replace(known, type_sub=type_sub, ver=version, param=param)
    return Record(
        uuid=network.coordinator,
        category=Category.GATEWAY,
        type_sub=type_sub,
        title=title,
        ver=version,
        body=_BODY,
        param=param,
    )
