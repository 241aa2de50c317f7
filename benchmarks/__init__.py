"""Proof of speed: whole processes, measured from outside, compared with their rivals."""
