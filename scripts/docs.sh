#!/usr/bin/env bash
# Builds the documentation site into build/site; open build/site/index.html.
# usage: scripts/docs.sh [arguments of sphinx-build]
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

# JAX in place of TensorFlow: it is small, and what the pages need is the docstrings.
make_environment .venv-docs "Sphinx, Keras and JAX" jax $(requirements docs)
say "Site"
# Every warning is an error: a link that leads nowhere, a name without its description.
KERAS_BACKEND=jax JAX_PLATFORMS=cpu .venv-docs/bin/python -m sphinx -q -W --keep-going -b html -d build/doctrees "$@" docs build/site
say "build/site/index.html"
