"""Both APIs, served locally: for the demo, the tests and anyone without a key.

Faithful to the vendors' references in shared/api; where those are silent, the module
that decides says so. Shares no parser, constant or model with `sources`, so that a
misreading there cannot hide behind the same misreading here.
"""

from sandbox.faults import Fault
from sandbox.remote import Remote, running_apart
from sandbox.server import running, serve
from sandbox.world import Sandbox

__all__ = ["Fault", "Remote", "Sandbox", "running", "running_apart", "serve"]
