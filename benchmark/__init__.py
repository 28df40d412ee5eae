"""The harness: recipes, grid, data, training, evaluation, store and runner. It imports neither torch nor mlflow."""

__version__ = "0.1.0"
