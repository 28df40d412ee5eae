"""What a file of the user's says of models: which there are, read without running them; columns; variants."""
