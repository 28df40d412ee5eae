"""Probes: what is looked at in a trained model."""
