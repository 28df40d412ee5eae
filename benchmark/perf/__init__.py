"""The measuring stick: what the suite's speed is, beside plain implementations measured in the same run."""
