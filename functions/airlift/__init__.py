"""Airlift's domain: what an incident is, what may be restored, from which point, in which order."""
