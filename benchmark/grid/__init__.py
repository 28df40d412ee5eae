"""The grid: which cells there are, which are asked for, what each costs, and its digest."""
