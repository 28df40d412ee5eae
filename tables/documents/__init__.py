"""Whole documents: a paper, protocols side by side, claims."""
