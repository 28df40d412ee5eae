"""What a plan takes: the order of its work, hours by paper, shorter commands."""
