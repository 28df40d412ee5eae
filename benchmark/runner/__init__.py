"""Many cells: jobs, workers, queue, progress; pools of this machine and of Dask."""
