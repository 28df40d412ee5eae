"""Fetching what is missing: sources, archives, checksums."""
