"""The vendor's cloud, simulated: its REST endpoints over real HTTP, with the API's rules, and faults on demand."""

from gatewayd.simulator.cloud.faults import CloudFaults
from gatewayd.simulator.cloud.server import SimulatedCloud

__all__ = ["CloudFaults", "SimulatedCloud"]
