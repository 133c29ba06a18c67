"""Judges of what mlspec writes that nobody here wrote, a module a kind of judge."""
