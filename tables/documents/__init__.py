"""Whole documents: a paper, verdicts counted, papers compared, protocols side by side, claims."""
