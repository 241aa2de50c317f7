"""Both APIs, served on this machine: for the demo, the tests and anyone without a key.

It follows the vendors' references; if those say nothing, the module that decides says so.
It shares no parser, constant or model with `sources`, so that a misreading there cannot be
hidden by the same misreading here.
"""

from sandbox.faults import Fault
from sandbox.remote import Remote, running_apart
from sandbox.server import running, serve
from sandbox.world import Sandbox

__all__ = ["Fault", "Remote", "Sandbox", "running", "running_apart", "serve"]
