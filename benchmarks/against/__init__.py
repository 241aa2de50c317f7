"""What clipmart is measured against: programs of their own, that do the same work."""
