"""Repairing a store: recover, replay of rejected records, migration to a lake.

It may import landing, warehouse and ledger.
"""
