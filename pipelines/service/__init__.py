"""One record per service: everything that differs between them, besides their sources.

It may import the sources; what needs httpx is imported when it is used.
"""

from __future__ import annotations

from .clipus import CLIPUS
from .klipit import KLIPIT
from .record import SEQ, Service

__all__ = ["CLIPUS", "KLIPIT", "LANDING_SCHEMAS", "RUNS", "SEQ", "SERVICES", "Service"]

SERVICES = {service.name: service for service in (KLIPIT, CLIPUS)}
"""By name, in the order in which they are shown."""
RUNS = "clipmart"
"""The schema of the runs and rejections of all services."""
LANDING_SCHEMAS = (*SERVICES, RUNS)
