"""Results on disk, and who may write them."""
