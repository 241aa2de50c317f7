"""Webhooks in: the receiver and its bounds.

It may import landing, warehouse and ledger.
"""
