"""What the training loop sees of a kind of task: batches, loss, validation, test."""
