"""Whether all is well: status, doctor, thresholds, notifications.

It reads the ledger and the published file, and may import sync for the worklist's rules.
"""
