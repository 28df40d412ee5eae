"""Text files of numbers with a time axis: how they are opened, their dates, their steps, and what is missing in them."""
