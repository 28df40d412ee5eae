"""Workers elsewhere, by dask.distributed."""
