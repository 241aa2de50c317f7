"""The ledger: events, runs, rate slots and locks, in SQLite or PostgreSQL.

It may import the ground modules.
"""
