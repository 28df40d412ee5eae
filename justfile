# Every recipe is plain shell lines: who has no `just` (`pip install rust-just`) copies a line.

# what there is
_list:
    @just --list

# style and types
lint:
    ruff check .
    mypy

# all tests but the long ones, as .ci/run has them
test:
    python -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder

# a verdict in under 90 seconds: style, types, and the tests that start no process
quick:
    ruff check .
    mypy
    python -m pytest -q -n 2 --dist loadfile tests/test_architecture.py tests/test_citations.py tests/frozen tests/test_config.py tests/test_step.py tests/test_store.py tests/baselines/test_parity.py tests/tables -k "not command_line and not no_torch"

# the whole forms of tests of which CI runs small ones
long:
    python -m pytest -q -m long

# what only a GPU can show, in some fifteen minutes: its tests, SAMformer and the Transformer on ETT from command to table,
# and the milliseconds of a step of each model, alone, as one program, and several programs at once
gpu:
    python -m pytest -q tests/test_graphs.py tests/test_lanes.py -k on_a_device
    time python run_all.py --papers samformer --subset ETT --models SAMformer,Transformer --seeds 5 --device cuda --no-mlflow --results-dir results/gpu
    python -m benchmark.perf --parts replicas --device cuda --turns 3 --json results/gpu/steps.json

# what documents show and the code says: the picture of the rooms, the tables of docs/verdicts.md, what was measured; the
# last line says what of the published run would come out otherwise
docs:
    python tools/architecture.py
    python -m tables.rows.simulation
    python -m tables.claims.simulation
    python -m tables.explain.simulation
    python -m tables render --from docs/measured
