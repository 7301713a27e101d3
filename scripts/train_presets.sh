#!/usr/bin/env bash
# Trains the presets from their recipes, one after the other, and goes on where it was stopped.
# usage: scripts/train_presets.sh [FOLDER [RECIPE ...]]
#   FOLDER   run folders go there, one per recipe, with a log (default: runs/presets)
#   RECIPE   which ones (default: all that have a preset); each takes 20 to 35 CPU minutes on two cores, on slow ones up to 60
# CIFAR-10 is read from the folder in KERAS_GANS_DATA or from the cache of Keras.
source "$(dirname "${BASH_SOURCE[0]}")/environment.sh"
folder=${1:-runs/presets}
shift || true
recipes=("$@")
if [ ${#recipes[@]} = 0 ]; then
    recipes=(o_gan_digits)
    for name in gan rsgan o_gan cascading_rejection_gan wgan_gp r3gan; do recipes+=("${name}_fashion_mnist"); done
    recipes+=(cascading_rejection_gan_fashion_mnist_conditional ign_fashion_mnist gan_cifar10 o_gan_cifar10)
fi
make_environment .venv "keras_gans and TensorFlow" -e .
export TF_CPP_MIN_LOG_LEVEL=3
mkdir -p "$folder"
for name in "${recipes[@]}"; do
    say "$name"
    .venv/bin/keras-gans train "recipe:$name" --out "$folder/$name" 2>&1 | tee -a "$folder/$name.log"
done
