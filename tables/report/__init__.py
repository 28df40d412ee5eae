"""The page that people are sent: everything of a store in one file."""
