"""What cron and systemd need to run the schedule.

It may import health, for the check of an address, and the ground modules.
"""
