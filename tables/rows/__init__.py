"""Results beside printed numbers, as rows."""
