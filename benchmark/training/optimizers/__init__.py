"""What moves weights that lie in one vector: its layout, optimizers, perturbations."""
