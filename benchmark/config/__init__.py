"""What papers and users say: YAML → papers, columns, recipes, the user's own data sets."""
