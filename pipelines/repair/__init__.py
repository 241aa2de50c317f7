"""Repairing a store: recover, replay of rejected records, migration to a lake.

It may import ids, landing, warehouse, ledger and the ground modules.
"""
