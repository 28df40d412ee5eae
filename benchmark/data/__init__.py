"""What data sets there are, their files, and how a series becomes windows."""
