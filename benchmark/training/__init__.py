"""Training: one loop for every model, its schedule, its steps with or without SAM and accumulation."""
