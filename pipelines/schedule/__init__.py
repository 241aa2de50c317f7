"""What cron and systemd need to run the schedule.

It may import settings and the ground modules.
"""
