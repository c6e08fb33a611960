"""The gateway's own record (§12.1)."""

from msgspec.structs import replace

from gatewayd.model.event import NetworkInfo
from gatewayd.model.ids import Category
from gatewayd.model.record import GatewayParam, Record


def gateway_record(title: str, type_sub: str, version: str, network: NetworkInfo, known: Record | None) -> Record:
    """The record of a gateway on this network: what the household said of it is kept from `known`."""
    colons = ":".join(network.coordinator[place : place + 2] for place in range(0, 16, 2)).upper()
    known_param = known.param if known is not None and isinstance(known.param, GatewayParam) else GatewayParam()
    param = replace(
        known_param,
        zgb_short="00:00",
        zgb_ieee=colons,
        zgb_ver=network.version,
        zgb_channel=str(network.channel),
        zgb_status="1",
    )
    if known is not None:
        return replace(known, type_sub=type_sub, ver=version, param=param)
    return Record(
        uuid=network.coordinator,
        category=Category.GATEWAY,
        type_sub=type_sub,
        title=title,
        ver=version,
        body="智能网关",
        param=param,
    )
