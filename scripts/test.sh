#!/usr/bin/env bash
# Installs keras_gans with its test tools into .venv-test and runs the linters and the tests.
# usage: scripts/test.sh [--all-backends] [arguments of pytest]
#   --all-backends   also on JAX and on PyTorch, each in an environment of its own without TensorFlow
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
all=false
if [ "${1:-}" = --all-backends ]; then all=true; shift; fi
export TF_CPP_MIN_LOG_LEVEL=3 PYTHONHASHSEED=0
# The backends leave their steps here for one another to be compared with (tests/backends).
KERAS_GANS_EQUALITY=$(mktemp -d)
export KERAS_GANS_EQUALITY
installing=
trap '[ -z "$installing" ] || kill "$installing" 2>/dev/null || true; rm -rf "$KERAS_GANS_EQUALITY"' EXIT

run_tests() {
    local folder=$1 backend=$2
    shift 2
    say "Tests on $backend"
    # Tests of one variant stand in a row and share its traced models: worksteal leaves such rows together.
    KERAS_BACKEND=$backend "$folder/bin/python" -m pytest -n 2 --dist worksteal --durations=10 "$@"
}

make_environment_of() {
    local backend=$1 package=$1
    if [ "$backend" = torch ]; then package=${KERAS_GANS_TORCH:-torch==2.13.0}; fi
    make_environment ".venv-$backend" "keras_gans and $backend" "$package" $(requirements test)
    ".venv-$backend/bin/python" -m pip install -qq --disable-pip-version-check --no-deps -e .
    if [ "$backend" = torch ]; then  # code of others to compare with; what else they ask for is not needed
        .venv-torch/bin/python -m pip install -qq --disable-pip-version-check --no-deps torch-fidelity prdc
    fi
}

make_environment .venv-test "keras_gans, TensorFlow and the test tools" -e '.[dev]'
say "Linters"
.venv-test/bin/ruff check . && .venv-test/bin/ruff format --check .
# Where all backends are tested, PyTorch takes the tests that ask for one: it is the quickest (tests/conftest.py).
if $all; then
    export KERAS_GANS_ONE_BACKEND=torch
    # While the tests of TensorFlow run; what it says, and whether it failed, is asked for after them.
    (for backend in jax torch; do make_environment_of $backend; done) > "$KERAS_GANS_EQUALITY/installing" 2>&1 &
    installing=$!
fi
run_tests .venv-test tensorflow "$@"
if $all; then
    wait "$installing" || { cat "$KERAS_GANS_EQUALITY/installing" >&2; exit 1; }
    cat "$KERAS_GANS_EQUALITY/installing"
    installing=
    for backend in jax torch; do
        run_tests ".venv-$backend" $backend "$@"
    done
fi
say "All tests passed"
