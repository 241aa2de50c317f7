"""Health: status, doctor, thresholds, notifications.

It may import sync, for the rules of the worklist, and every room below it.
"""
