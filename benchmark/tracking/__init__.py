"""MLflow: the live view of the store.

An experiment a paper, a parent run an invocation, a child run a cell. The store is the truth: whatever MLflow loses,
`sync` puts back, and nothing that MLflow does or fails to do reaches a cell.
"""
