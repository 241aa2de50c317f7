"""The flow: ledger → worklist → fetch → load → build → publish, and what readers use.

Each package is a room that imports only rooms below it; the order is in pyproject.toml.
"""
