"""A table as cells on a grid, and Markdown and LaTeX of it."""
