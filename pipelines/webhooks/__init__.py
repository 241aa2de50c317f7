"""Webhooks in: the receiver, its server and bounds, and what a body says.

It may import ids, landing, warehouse, ledger and the ground modules.
"""
