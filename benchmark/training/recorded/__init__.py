"""Several trainings as one program whose steps are recorded and replayed, where a device can."""
