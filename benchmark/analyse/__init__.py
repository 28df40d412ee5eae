"""The commands of ``python -m benchmark.analysis``: each loads cells, has a probe look at them, writes and draws."""
