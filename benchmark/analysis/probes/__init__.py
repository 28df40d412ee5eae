"""Probes of a trained model that `python -m benchmark.analysis` runs: functions of a model and windows → arrays by name."""
