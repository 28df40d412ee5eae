"""Figures of what `python -m benchmark.analysis` finds in a trained model: functions of its arrays."""
