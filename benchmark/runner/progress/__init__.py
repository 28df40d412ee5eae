"""What a run says while it trains: in a terminal, in a log; tables renewed meanwhile."""
