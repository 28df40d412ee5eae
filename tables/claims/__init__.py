"""What papers say in a number, and what becomes of it."""
