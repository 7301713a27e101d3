#!/usr/bin/env bash
# Installs keras_gans into .venv and trains an O-GAN on real handwritten digits: a generator and an encoder.
# The pictures and the numbers are in demo/ after about four minutes on two CPU cores.
# usage: scripts/demo.sh [options of `keras-gans demo`; see scripts/demo.sh --help]
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
make_environment .venv "keras_gans and TensorFlow" -e .
export TF_CPP_MIN_LOG_LEVEL=${TF_CPP_MIN_LOG_LEVEL:-3}
.venv/bin/keras-gans demo "$@"
