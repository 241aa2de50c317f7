"""What both sources need: HTTP, rate slots, records, errors. Knows neither vendor."""
