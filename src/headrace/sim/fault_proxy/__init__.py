"""A TCP proxy with faults, for any upstream: a real server as well as a simulated one.

It knows nothing of what it passes on. TLS goes through it untouched.
"""

from headrace.sim.fault_proxy.link import ProxyConnection
from headrace.sim.fault_proxy.proxy import FaultProxy
from headrace.sim.fault_proxy.toxics import Toxics

__all__ = ["FaultProxy", "ProxyConnection", "Toxics"]
