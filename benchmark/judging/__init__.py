"""Printed numbers and verdicts on them. Never imports torch."""
