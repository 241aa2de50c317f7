"""One record per service: everything that differs between them, besides their sources.

It may import the sources; what needs httpx is imported when it is used.
"""

from __future__ import annotations

from .clipus import CLIPUS
from .klipit import KLIPIT
from .record import SEQ, Service

__all__ = ["CLIPUS", "KLIPIT", "SEQ", "SERVICES", "Service"]

SERVICES = {service.name: service for service in (KLIPIT, CLIPUS)}
"""By name, in the order in which they are shown."""
