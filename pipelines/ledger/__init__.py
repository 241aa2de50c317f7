"""The ledger: events, runs, rate slots and locks, in SQLite or PostgreSQL.

It may import settings and the ground modules.
"""
