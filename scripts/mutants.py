#!/usr/bin/env python
"""Breaks the package in one line at a time and asks whether the tests see it.

Each mutant is a line of a file that is replaced by a wrong one, in a copy of the package, and the tests that must go
red. A mutant that survives is a test that is missing. Not part of the test command: it takes about
20 minutes on two cores.

usage: python scripts/mutants.py [WORD ...] [--jobs 2] [--write]
"""

import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

import pages

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGE = os.path.join(ROOT, "docs", "testing.md")


class Mutant(NamedTuple):
    """A wrong line.

    Args:
        what: What is wrong, in words.
        file: The file, below `keras_gans/`.
        old, new: Text that stands once in the file, and what takes its place.
        tests: Arguments of pytest, below `tests/`.
    """

    what: str
    file: str
    old: str
    new: str
    tests: str


STEP = "test_one_step_is_the_hand_derived_one"
CITIZEN = "laws/test_keras_citizen.py"
MUTANTS = [
    # Train steps
    Mutant(
        "reals and fakes exchanged in the critic's step",
        "engine/adversarial.py",
        "critic_terms(self.score(reals, labels), self.score(fakes, labels)",
        "critic_terms(self.score(fakes, labels), self.score(reals, labels)",
        f"variants/test_gan.py -k {STEP}",
    ),
    Mutant(
        "the generator steps on the critic's latents",
        "variants/rsgan.py",
        "        latents = self.sample_latents(ops.shape(reals)[0])\n        g_loss",
        "        g_loss",
        f"variants/test_rsgan.py -k {STEP}",
    ),
    Mutant(
        "the generator's loss sees no reals in a relativistic game",
        "variants/rsgan.py",
        "    relativistic = True\n",
        "",
        f"variants/test_rsgan.py -k {STEP}",
    ),
    Mutant(
        "every critic step sees the same reals",
        "engine/adversarial.py",
        "smaller(step * rows",
        "smaller(0 * rows",
        "variants/test_gan.py -k fresh_reals",
    ),
    Mutant(
        "WGAN does not clip after a critic step",
        "variants/wgan.py",
        "            self.after_discriminator_step()\n",
        "",
        "variants/test_paper_defaults.py -k clipped",
    ),
    Mutant(
        "a simultaneous WGAN step does not clip",
        "engine/simultaneous.py",
        "generator_gradients, generator)\n    model.after_discriminator_step()\n",
        "generator_gradients, generator)\n",
        "variants/test_paper_defaults.py -k clipped",
    ),
    Mutant(
        "a simultaneous step gives the generator the discriminator's direction",
        "engine/simultaneous.py",
        "            at_fakes = -at_fakes\n",
        "            pass\n",
        "engine/test_simultaneous.py -k both_players",
    ),
    Mutant(
        "the penalty is left out of a simultaneous step",
        "engine/simultaneous.py",
        'if "penalty" in model.all_logs() or any(',
        "if any(",
        "engine/test_simultaneous.py -k both_players",
    ),
    Mutant(
        "the other player's statistics move along",
        "engine/gradients.py",
        "    for variable, value in zip(variables, before, strict=True):\n        variable.assign(value)\n",
        "",
        "engine/test_descend.py",
    ),
    Mutant(
        "weight regularisers are left out",
        "engine/gradients.py",
        "                loss = loss + variable.regularizer(variable)\n",
        "                pass\n",
        "engine/test_descend.py",
    ),
    Mutant(
        "evaluation draws from the training's noise",
        "engine/model.py",
        "self.latent_seeds if training else self.evaluation_seeds",
        "self.latent_seeds",
        f"{CITIZEN} -k evaluate_reports and gan",
    ),
    Mutant(
        "uint8 becomes 0..2 minus 1 of another scale",
        "engine/model.py",
        "images / 127.5 - 1.0",
        "images / 128.0 - 1.0",
        f"{CITIZEN} -k every_form_of_data",
    ),
    Mutant(
        "pictures are cut, not rounded",
        "engine/inference.py",
        "np.rint((images + 1.0) * 127.5)",
        "((images + 1.0) * 127.5)",
        f"{CITIZEN} -k predict_and_generate",
    ),
    # Losses
    Mutant(
        "hinge with the wrong side of the margin",
        "games/sgan.py",
        "ops.relu(1.0 - real)",
        "ops.relu(1.0 + real)",
        "variants/test_gan.py -k check_values",
    ),
    Mutant(
        "saturating loss with the other sign",
        "games/sgan.py",
        "return -mean(ops.softplus(fake))",
        "return mean(ops.softplus(fake))",
        "variants/test_gan.py -k check_values",
    ),
    Mutant(
        "label smoothing on the fakes' side",
        "games/sgan.py",
        "label_smoothing * mean(ops.softplus(real))",
        "label_smoothing * mean(ops.softplus(fake))",
        "variants/test_gan.py -k smoothing",
    ),
    Mutant(
        "the generator's target of least squares",
        "games/sgan.py",
        "ops.square(fake - targets[2])",
        "ops.square(fake - targets[1])",
        "variants/test_gan.py -k targets",
    ),
    Mutant(
        "the averaged losses without their half",
        "games/relativistic.py",
        "(mean(ops.softplus(-real)) + mean(ops.softplus(fake))) / 2.0",
        "(mean(ops.softplus(-real)) + mean(ops.softplus(fake)))",
        "variants/test_rsgan.py -k check_values",
    ),
    Mutant(
        "the generator plays the critic's side",
        "variants/rsgan.py",
        "return self.discriminator_loss(fake_logits, real_logits)",
        "return self.discriminator_loss(real_logits, fake_logits)",
        "variants/test_rsgan.py -k check_values",
    ),
    Mutant(
        "GAN-QP without the factor 2",
        "games/quadratic_potential.py",
        "(2.0 * lam * distances)",
        "(lam * distances)",
        "variants/test_wasserstein.py -k gan_qp_has",
    ),
    Mutant(
        "the distance of GAN-QP pulls the generator",
        "games/quadratic_potential.py",
        "ops.stop_gradient(reals - fakes)",
        "(reals - fakes)",
        "variants/test_wasserstein.py -k no_gradient",
    ),
    Mutant(
        "O-GAN pushes latents and encodings apart",
        "variants/o_gan.py",
        "- self.correlation_weight * mean(correlation(latents, fake_encodings))\n\n    def generator_loss",
        "+ self.correlation_weight * mean(correlation(latents, fake_encodings))\n\n    def generator_loss",
        "variants/test_o_gan.py -k check_values",
    ),
    Mutant(
        "encodings that are not standardised",
        "variants/o_gan.py",
        "return standardize(self.score(images, labels, training=False))",
        "return self.score(images, labels, training=False)",
        "variants/test_o_gan.py -k encode_standardizes",
    ),
    Mutant(
        "the judge of a cascade ignores the weights of its levels",
        "variants/cascading_rejection_gan.py",
        'outputs * ops.convert_to_tensor(self.level_weights, "float32")',
        "outputs / self.levels",
        "variants/test_paper_defaults.py -k judge",
    ),
    Mutant(
        "level weights that are not normalised",
        "variants/cascading_rejection_gan.py",
        "return (weights / weights.sum()).tolist()",
        "return weights.tolist()",
        "variants/test_cascading_rejection.py -k losses_over_levels",
    ),
    Mutant(
        "a code takes the highest index of equally near outputs",
        "samplers/matching.py",
        "order = np.lexsort((candidates, exact, places))",
        "order = np.lexsort((-candidates, exact, places))",
        "test_matching.py -k brute_force",
    ),
    Mutant(
        "the matcher believes float32",
        "samplers/matching.py",
        "factor = 2.0 * (left.exact.shape[1] + 8) * SINGLE",
        "factor = 0.0",
        "test_matching.py -k float32_does_not_decide",
    ),
    Mutant(
        "RS-IMLE leaves out the far outputs",
        "samplers/matching.py",
        "~(nearest(outputs, codes)[1] < epsilon**2)",
        "nearest(outputs, codes)[1] < epsilon**2",
        "test_matching.py -k epsilon",
    ),
    Mutant(
        "the Laplacian pyramid enlarges by half",
        "games/image_distances.py",
        "2.0 * blurring(height)[:, ::2]",
        "1.0 * blurring(height)[:, ::2]",
        "variants/test_glann.py -k check_values",
    ),
    Mutant(
        "the energy without labels is that of the worst class",
        "engine/asking.py",
        "return np.min(",
        "return np.max(",
        "laws/test_labels.py -k best_class",
    ),
    Mutant(
        "the interval of usefulness is that of a normal law",
        "metrics/usefulness.py",
        "half = scipy.stats.t.ppf(0.975, repeats - 1)",
        "half = scipy.stats.norm.ppf(0.975)",
        "metrics/test_usefulness.py -k student",
    ),
    Mutant(
        "GLANN's codes begin on the sphere in the ball, too",
        "engine/codes.py",
        'if self.projection == "sphere":',
        "if self.projection:",
        "variants/test_glann.py -k codes_begin",
    ),
    Mutant(
        "GLANN's codes get a gradient through their length",
        "engine/codes.py",
        "ops.stop_gradient(ops.sqrt(ops.sum(ops.square(codes), axis=-1, keepdims=True)))",
        "ops.sqrt(ops.sum(ops.square(codes), axis=-1, keepdims=True))",
        "variants/test_glann.py -k length_of_a_code",
    ),
    Mutant(
        "GLANN's codes belong to the place in the epoch",
        "engine/coded.py",
        'return arrays[0], np.arange(len(arrays[0]), dtype="int32")',
        'return arrays[0], np.arange(len(arrays[0]), dtype="int32")[::-1]',
        "variants/test_glann.py -k however_the_epoch",
    ),
    Mutant(
        "GLANN's matches are drawn anew where a run resumes within an epoch",
        "variants/glann.py",
        "elif not start:",
        "else:",
        "variants/test_glann.py -k resumes_bit_for_bit",
    ),
    Mutant(
        "GLANN's codes are moved by the decoder's optimiser",
        "engine/gradients.py",
        "backend.apply_gradients(optimizer, own, group)",
        "backend.apply_gradients(optimizers[0], own, group)",
        "variants/test_glann.py -k step_of_glo",
    ),
    Mutant(
        "IGN without the game matches with the farthest fake",
        "engine/implicit.py",
        "indices = ops.argmin(",
        "indices = ops.argmax(",
        "variants/test_ign.py -k draws_its_nearest",
    ),
    Mutant(
        "IGN's yardstick gets a gradient",
        "games/idempotence.py",
        "ops.stop_gradient(ops.maximum(clamp_ratio * reference, SMALLEST_YARDSTICK))",
        "ops.maximum(clamp_ratio * reference, SMALLEST_YARDSTICK)",
        "variants/test_ign.py -k check_gradients",
    ),
    Mutant(
        "IGN's idempotence forgets one argument of the distance",
        "variants/ign.py",
        "pullback(slopes[0]) + slopes[1]",
        "pullback(slopes[0])",
        "variants/test_ign.py -k each_term",
    ),
    Mutant(
        "KL with the conjugate of another f",
        "games/f_divergences.py",
        '"kl": Forms(lambda v, e: v, lambda v, e: ops.exp(e - 1.0)',
        '"kl": Forms(lambda v, e: v, lambda v, e: ops.exp(e)',
        "variants/test_f_gan.py -k check_values",
    ),
    Mutant(
        "Hellinger's score taken for the log ratio",
        "games/likelihood_ratios.py",
        "ratio=lambda s: 2.0 * s",
        "ratio=lambda s: s",
        "variants/test_likelihood_ratio_gan.py -k read_out",
    ),
    Mutant(
        "MALA's proposal with the density of another step",
        "samplers/dynamics.py",
        "back = _squares(points - proposed + half * proposed_gradients)",
        "back = _squares(points - proposed + 2 * half * proposed_gradients)",
        "samplers/test_dynamics.py -k check_value",
    ),
    Mutant(
        "MALA without the correction of its proposal",
        "samplers/dynamics.py",
        "energies - proposed_energies - (back - forth) / (2 * step_sizes)",
        "energies - proposed_energies - 0 * (back - forth)",
        "samplers/test_dynamics.py -k leaves_the_law",
    ),
    Mutant(
        "the sampler's noise after its gradient",
        "samplers/dynamics.py",
        "moved = images + noise * free\n    energies, gradients = energy_and_gradient(energy, moved)",
        "moved = images + noise * free\n    energies, gradients = energy_and_gradient(energy, images)",
        "samplers/test_dynamics.py -k short_run",
    ),
    Mutant(
        "latent energies without their prior",
        "samplers/latent.py",
        "axis=-1) / 2 if self.prior else energies",
        "axis=-1) * 0 if self.prior else energies",
        "samplers/test_latent.py -k tilted_prior",
    ),
    Mutant(
        "the energy of the samples subtracted in the squares, too",
        "variants/energy_based_model.py",
        "(mean(ops.square(real_energies)) + mean(ops.square(sample_energies)))",
        "(mean(ops.square(real_energies)) - mean(ops.square(sample_energies)))",
        "variants/test_energy_based_model.py -k check_values",
    ),
    Mutant(
        "a ring of samples that does not turn",
        "samplers/replay.py",
        "self.buffer_place.assign((place + count) % self.buffer_size)",
        "self.buffer_place.assign(place)",
        "variants/test_energy_based_model.py -k bytes",
    ),
    Mutant(
        "weights that run away stay",
        "engine/recovery.py",
        "variable.assign(ops.where(away, before, present))",
        "variable.assign(ops.where(away, present, present))",
        "variants/test_energy_based_model.py -k run_away",
    ),
    Mutant(
        "the entropy of the energy GAN lowered",
        "variants/energy_gan.py",
        "loss + self.entropy_weight * bound",
        "loss - self.entropy_weight * bound",
        "variants/test_energy_gan.py -k reconstruction",
    ),
    Mutant(
        "the penalty of the energy GAN with R1's half",
        "variants/energy_gan.py",
        "return self.penalty_weight * mean(",
        "return self.penalty_weight / 2 * mean(",
        "variants/test_energy_gan.py -k energy_has",
    ),
    # The invertible residual network
    Mutant(
        "the adjoint of a convolution with the kernel not turned",
        "layers/lipschitz.py",
        "ops.transpose(ops.flip(kernel, (0, 1)), (0, 1, 3, 2))",
        "ops.transpose(kernel, (0, 1, 3, 2))",
        "layers/test_lipschitz.py -k adjoint",
    ),
    Mutant(
        "the norm of a bounded layer has no gradient",
        "layers/lipschitz.py",
        "self.mapped(ops.stop_gradient(v), kernel))",
        "self.mapped(ops.stop_gradient(v), ops.stop_gradient(kernel)))",
        "layers/test_lipschitz.py -k gradient_goes",
    ),
    Mutant(
        "a small kernel is scaled up to its bound",
        "layers/lipschitz.py",
        "ops.maximum(1.0, sigma / self.coefficient)",
        "(sigma / self.coefficient)",
        "layers/test_lipschitz.py -k divided_only",
    ),
    Mutant(
        "activation normalisation counts one position",
        "layers/actnorm.py",
        "self.positions * ops.sum(log_scale)",
        "ops.sum(log_scale)",
        "layers/test_lipschitz.py -k actnorm",
    ),
    Mutant(
        "the series of the log-determinant with the other sign",
        "flows/log_determinant.py",
        "(-1.0) ** (k + 1) / k",
        "(-1.0) ** k / k",
        "variants/test_invertible_resnet.py -k series_has",
    ),
    Mutant(
        "the Neumann gradient without its alternating sign",
        "flows/log_determinant.py",
        "reached / chance(k) * sign * power",
        "reached / chance(k) * power",
        "variants/test_invertible_resnet.py -k one_expectation",
    ),
    Mutant(
        "roulette does not divide by the chance of a term",
        "flows/log_determinant.py",
        "sign / (k * chance(k))",
        "sign / k",
        "variants/test_invertible_resnet.py -k roulette",
    ),
    Mutant(
        "the prior of a flow forgets its deviations",
        "layers/residual_flow.py",
        "-0.5 * squares - log_deviation",
        "-0.5 * squares",
        "variants/test_invertible_resnet.py -k hand_derived",
    ),
    Mutant(
        "what a flow splits is joined the wrong way round",
        "layers/rearranging.py",
        "ops.concatenate([sent, kept], axis=-1)",
        "ops.concatenate([kept, sent], axis=-1)",
        "variants/test_invertible_resnet.py -k whole_network",
    ),
    Mutant(
        "bits per dimension without the width of a level",
        "flows/dequantization.py",
        "bits + math.log2(LEVELS) if len(shape) == 3 else bits",
        "bits",
        "variants/test_invertible_resnet.py -k bits_and_bytes",
    ),
    # Penalties
    Mutant(
        "R3GAN's gamma without the half",
        "variants/r3gan.py",
        "schedules.at(self.gamma, step) / 2.0",
        "schedules.at(self.gamma, step)",
        "variants/test_r3gan.py",
    ),
    Mutant(
        "R3GAN without R2",
        "variants/r3gan.py",
        "* (r1 + r2)",
        "* (r1 + 0 * r2)",
        "variants/test_r3gan.py",
    ),
    Mutant(
        "WGAN-GP with another target",
        "variants/wgan_gp.py",
        "input_gradients(score, points)) - 1.0",
        "input_gradients(score, points)) - 0.9",
        "variants/test_wasserstein.py -k wgan_gp",
    ),
    Mutant(
        "WGAN-LP penalises both sides",
        "variants/wgan_gp.py",
        "ops.square(ops.relu(excess) if self.one_sided else excess)",
        "ops.square(excess)",
        "variants/test_wasserstein.py -k wgan_gp",
    ),
    Mutant(
        "WGAN-div with twice the power",
        "variants/wgan_div.py",
        "+ 1e-12, self.p / 2.0)",
        "+ 1e-12, self.p)",
        "variants/test_wasserstein.py -k div",
    ),
    Mutant(
        "gradient norms over the last axis alone",
        "penalties.py",
        "axes = tuple(range(1, len(gradients.shape)))",
        "axes = (len(gradients.shape) - 1,)",
        "test_penalties.py -k unit_gradient",
    ),
    Mutant(
        "interpolation with real and fake exchanged",
        "penalties.py",
        "weights * reals + (1.0 - weights) * fakes",
        "weights * fakes + (1.0 - weights) * reals",
        "test_penalties.py -k check_values",
    ),
    Mutant(
        "a penalty sees another pass than the loss",
        "engine/score.py",
        "if seen is images:",
        "if seen is not seen:",
        "engine/test_one_pass.py",
    ),
    Mutant(
        "a lazy penalty that forgets its factor",
        "penalties.py",
        "self.every * exact(",
        "exact(",
        "test_penalties.py -k lazy",
    ),
    Mutant(
        "the noise estimate steps half as far as it divides by",
        "engine/score.py",
        "images + std * keras",
        "images + 0.5 * std * keras",
        "test_penalties.py -k noise",
    ),
    Mutant(
        "R1 without the half",
        "penalties.py",
        "return 0.5 * mean(squared_norms(input_gradients(score, points)))",
        "return mean(squared_norms(input_gradients(score, points)))",
        "test_penalties.py -k check_values",
    ),
    Mutant(
        "mixing weights from a normal law",
        "engine/adversarial.py",
        "keras.random.uniform((count,)",
        "keras.random.normal((count,)",
        "variants/test_paper_defaults.py -k mixing",
    ),
    Mutant(
        "a scheduled penalty stays at its first weight",
        "penalties.py",
        "schedules.at(self.weight, step)",
        "schedules.at(self.weight, 0)",
        "test_schedules.py -k weighted",
    ),
    # Defaults
    Mutant(
        "R3GAN's beta_2",
        "variants/r3gan.py",
        "beta_2=0.99, epsilon=1e-8",
        "beta_2=0.999, epsilon=1e-8",
        "variants/test_paper_defaults.py -k optimisers",
    ),
    Mutant(
        "WGAN-GP's beta_1",
        "variants/wgan_gp.py",
        "beta_1=0.0, beta_2=0.9",
        "beta_1=0.5, beta_2=0.9",
        "variants/test_paper_defaults.py -k optimisers",
    ),
    Mutant(
        "O-GAN's rho",
        "variants/o_gan.py",
        "RMSprop(1e-4, rho=0.99, epsilon=1e-14)",
        "RMSprop(1e-4, epsilon=1e-14)",
        "variants/test_paper_defaults.py -k optimisers",
    ),
    Mutant(
        "WGAN's critic steps",
        "variants/wgan.py",
        "clip=0.01, critic_steps=5",
        "clip=0.01, critic_steps=1",
        "variants/test_paper_defaults.py -k as_many_steps",
    ),
    Mutant(
        "bfloat16 on GPUs that emulate it",
        "machine.py",
        "NATIVE_CAPABILITY = (8, 0)",
        "NATIVE_CAPABILITY = (7, 0)",
        "test_machine.py -k auto_takes",
    ),
    # Averaging and schedules
    Mutant(
        "the mean of the first steps keeps the initial weights",
        "engine/averaging.py",
        "ops.minimum(decay, (n - 1.0) / n)",
        "ops.minimum(decay, n / (n + 1.0))",
        "engine/test_averaging.py -k published",
    ),
    Mutant(
        "the debiased average is that of one step later",
        "engine/averaging.py",
        "decay * ops.expm1((n - 1.0) * log_decay) / ops.expm1(n * log_decay)",
        "decay * ops.expm1(n * log_decay) / ops.expm1((n + 1.0) * log_decay)",
        "engine/test_averaging.py -k published",
    ),
    Mutant(
        "accumulated gradients count as steps",
        "engine/averaging.py",
        "counted = 1 if not accumulated else",
        "counted = 1 if True else",
        "engine/test_averaging.py -k accumulated",
    ),
    Mutant(
        "a half-life is an e-folding",
        "engine/averaging.py",
        "-math.log(2.0) / ops.maximum",
        "-1.0 / ops.maximum",
        "engine/test_averaging.py -k half_life",
    ),
    Mutant(
        "the cosine reaches its end half-way",
        "schedules.py",
        "ops.cos(math.pi * progress)",
        "ops.cos(2 * math.pi * progress)",
        "test_schedules.py -k published",
    ),
    # Data order and saving
    Mutant(
        "every epoch has the same order",
        "engine/batches.py",
        "np.random.default_rng([seed, passes])",
        "np.random.default_rng([seed, 0])",
        "engine/test_batches.py",
    ),
    Mutant(
        "a resumed epoch begins again",
        "engine/batches.py",
        "self.epoch * self.steps_per_epoch + self.start + index",
        "self.epoch * self.steps_per_epoch + index",
        "engine/test_resume_within_epoch.py -k rest_of_the_epoch",
    ),
    Mutant(
        "the thread that tunes a pipeline outlives the epoch",
        "engine/tensorflow.py",
        "options.autotune.enabled = False",
        "options.autotune.enabled = True",
        "engine/test_batches.py -k tunes",
    ),
    Mutant(
        "seeds are not saved",
        "engine/saving.py",
        'store[f"seed_{i}"] = ops.convert_to_numpy(state.value)',
        "pass",
        f"{CITIZEN} -k saved_model_is_loaded_whole",
    ),
    Mutant(
        "weights that do not fit are loaded by half",
        "engine/saving.py",
        "in zip(variables, before, strict=True):\n                variable.assign(value)\n",
        "in ():\n                variable.assign(value)\n",
        "engine/test_entrances.py -k fits_one_network",
    ),
    Mutant(
        "a learning rate reaches one player only",
        "engine/optimizers.py",
        "        for optimizer in self.optimizers:\n            optimizer.learning_rate = value",
        "        for optimizer in self.optimizers[:1]:\n            optimizer.learning_rate = value",
        "engine/test_entrances.py -k reaches_every_player",
    ),
    # Analysis
    Mutant(
        "integrated gradients from the input to the baseline",
        "analysis/attribution.py",
        "steps = lines.ends[rows] - starts",
        "steps = starts - lines.ends[rows]",
        "analysis/test_attribution.py -k check_values",
    ),
    Mutant(
        "a repeated node of the last batch counts",
        "analysis/lines.py",
        "np.concatenate([share, np.zeros(at_once - len(share))])",
        "np.concatenate([share, np.full(at_once - len(share), share[-1])])",
        "analysis/test_attribution.py -k float64_integral",
    ),
    Mutant(
        "nodes are not added",
        "analysis/attribution.py",
        "open_rows = open_rows[~(np.abs(gaps[open_rows]) <= allowed[open_rows])]",
        "open_rows = open_rows[:0]",
        "analysis/test_attribution.py -k nodes_are_added",
    ),
    Mutant(
        "the generator of a simultaneous Dirac step sees the new critic",
        "analysis/dynamics/simulation.py",
        'simultaneous if method == "simultaneous" else alternating',
        "alternating",
        "laws/test_dirac.py -k step_of_the_dirac_gan",
    ),
    Mutant(
        "R2 takes the gradient at reals",
        "penalties.py",
        "        return fakes\n",
        "        return reals\n",
        "test_penalties.py -k check_values",
    ),
    Mutant(
        "the Jacobian's products have the other sign",
        "analysis/jacobian.py",
        "return -np.concatenate(flat)",
        "return np.concatenate(flat)",
        "analysis/test_jacobian.py -k dirac_gan",
    ),
    # Metrics
    Mutant(
        "the Frechet distance with one root in place of two",
        "metrics/frechet.py",
        "(traces - 2 * _trace_of_root(x, y))",
        "(traces - _trace_of_root(x, y))",
        "metrics/test_frechet.py -k given_moments",
    ),
    Mutant(
        "the kernel distance with the biased mean",
        "metrics/kernel.py",
        "_kernel_sum(x, x) / (n * (n - 1))",
        "_kernel_sum(x, x) / (n * n)",
        "metrics/test_distances.py -k published_value",
    ),
    Mutant(
        "the inception score of unnormalised averages",
        "metrics/inception.py",
        "average = average[average > 0] / len(part)",
        "average = average[average > 0]",
        "metrics/test_distances.py -k inception",
    ),
    Mutant(
        "density not divided by k",
        "metrics/manifold.py",
        "count / (density[0] * len(y))",
        "count / len(y)",
        "metrics/test_distances.py -k density",
    ),
    Mutant(
        "precision and recall exchanged",
        "metrics/manifold.py",
        "PrecisionRecall(float(precise.mean()), float(recalled.mean()))",
        "PrecisionRecall(float(recalled.mean()), float(precise.mean()))",
        "metrics/test_distances.py -k collapse",
    ),
    # Regularisation of any model
    Mutant(
        "the perturbation of FGM has the norm of the whole batch",
        "regularization/perturbations.py",
        "tuple(range(1, len(tensor.shape))) if by_row else None",
        "None",
        "regularization/test_adversarial.py -k check_values",
    ),
    Mutant(
        "PGD leaves the ball",
        "regularization/adversarial.py",
        "return perturbations.projected(delta, self.epsilon, self.norm, self.by_row)",
        "return delta",
        "regularization/test_adversarial.py -k climbs",
    ),
    Mutant(
        "other passes write statistics and seeds",
        "engine/passes.py",
        "with _Scope([*self._regularised(), *state, *_of_variables(edits)]):",
        "with _Scope([*self._regularised(), *state, *_of_variables(edits)], hands_on=True):",
        "regularization/test_laws.py -k leave_statistics",
    ),
    Mutant(
        "other passes draw other dropout masks",
        "engine/passes.py",
        "_other_seeds(self.state) if fresh else self.state",
        "_other_seeds(self.state)",
        "regularization/test_laws.py -k dropout",
    ),
    Mutant(
        "the gradient penalty without its half",
        "regularization/penalty.py",
        "return share() * self.weight / 2 * ops.mean(_squared(gradients, axis=1))",
        "return share() * self.weight * ops.mean(_squared(gradients, axis=1))",
        "regularization/test_penalty.py",
    ),
    Mutant(
        "padding is perturbed",
        "engine/targets.py",
        "if mask is None or changed is tensor:",
        "if True:",
        "regularization/test_adversarial.py -k padding",
    ),
    Mutant(
        "the divergence of VAT with its sides exchanged",
        "regularization/virtual.py",
        "divergences.kl(clean, moved, logits)",
        "divergences.kl(moved, clean, logits)",
        "regularization/test_virtual.py -k hand_derived",
    ),
    # A critic as a loss
    Mutant(
        "in a relativistic game the model plays the critic's side",
        "adversarial_loss.py",
        "losses.discriminator_loss(fake, real, kind) if",
        "losses.discriminator_loss(real, fake, kind) if",
        f"test_adversarial_loss.py -k {STEP}",
    ),
    Mutant(
        "the norm of the adversarial gradient holds that of the loss",
        "engine/one_pass.py",
        "self.gradients([variable], 0.0, at_image)",
        "self.gradients([variable], 1.0, at_image)",
        f"test_adversarial_loss.py -k {STEP}",
    ),
    Mutant(
        "the norms hold the scale of the loss",
        "engine/one_pass.py",
        'ops.cast(each, "float32") / scale',
        'ops.cast(each, "float32")',
        "test_adversarial_loss.py -k mixed",
    ),
    Mutant(
        "the adaptive weight rises while the critic wins",
        "adversarial_loss.py",
        "ops.logical_and(wins, mean > before)",
        "ops.logical_and(wins, mean < before)",
        "test_adversarial_loss.py -k smaller_of",
    ),
    Mutant(
        "the adaptive weight lags behind a critic whose gradient grows",
        "adversarial_loss.py",
        "return ops.minimum(ratio, mean)",
        "return mean",
        "test_adversarial_loss.py -k smaller_of",
    ),
    Mutant(
        "the critic is not pretrained",
        "engine/judging.py",
        "self.steps_per_execution > loss.begins",
        "self.steps_per_execution > loss.start",
        "test_adversarial_loss.py -k until_the_start",
    ),
    Mutant(
        "the model's optimiser also moves the critic",
        "engine/judging.py",
        "if id(variable) not in of_critic",
        "if id(variable) or of_critic",
        "test_adversarial_loss.py -k at_a_weight_of_0",
    ),
    Mutant(
        "seeds of a model with a critic are not loaded",
        "adversarial_loss.py",
        'state.assign(store[f"seed_{i}"])',
        "pass",
        "test_adversarial_loss.py -k bit_for_bit",
    ),
    Mutant(
        "a later batch of a pipeline of another shape reaches the step",
        "engine/streams.py",
        "return tf.Assert(right, [SHAPE.format(checks.batch_of(shape)), text])",
        "return tf.no_op()",
        "engine/test_entrances.py -k later_batch",
    ),
    # Export
    Mutant(
        "an exported generator cuts pictures instead of rounding them",
        "engine/export/program.py",
        "ops.clip(ops.round((made + 1.0) * 127.5), 0.0, 255.0)",
        "ops.clip((made + 1.0) * 127.5, 0.0, 255.0)",
        "engine/test_export.py -k low_precision",
    ),
    Mutant(
        "an exported file is not compared with the model",
        "engine/export/exporting.py",
        'np.abs(output.astype("float64") - program.expected.astype("float64"))',
        "np.zeros(1)",
        "engine/test_export.py -k numpy_alone",
    ),
    Mutant(
        "an export replaces a file without being asked to",
        "engine/export/exporting.py",
        "    if not overwrite:\n",
        "    if False:\n",
        "engine/test_export.py -k is_kept",
    ),
    Mutant(
        "a folder that is no SavedModel is replaced",
        "engine/export/exporting.py",
        'not (folder and os.path.isfile(os.path.join(path, "saved_model.pb")))',
        "not folder",
        "engine/test_export.py -k saved_model",
    ),
    Mutant(
        "half of the numbers of a seed repeat the other half",
        "engine/export/program.py",
        "lengths * ops.sin(angles)",
        "lengths * ops.cos(angles)",
        "engine/test_export.py -k numbers_of_seeds",
    ),
    Mutant(
        "an exported average is the last weights",
        "engine/export/program.py",
        "values.get(id(each), each.value)",
        "each.value",
        "engine/test_export.py -k average_is_written",
    ),
]


def misplaced():
    """Returns the mutants whose old text does not stand exactly once in their file, or whose tests are not there."""
    wrong = []
    for mutant in MUTANTS:
        path = os.path.join(ROOT, "keras_gans", mutant.file)
        with open(path, encoding="utf-8") as file:
            count = file.read().count(mutant.old)
        if count != 1 or not os.path.exists(os.path.join(ROOT, "tests", mutant.tests.split()[0])):
            wrong.append(mutant)
    return wrong


def survives(mutant):
    """Returns `(whether the tests stayed green, their last line, seconds)` with a mutant in place."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        for name in ("keras_gans", "tests", "scripts"):
            ignored = shutil.ignore_patterns("__pycache__", "presets")
            shutil.copytree(os.path.join(ROOT, name), os.path.join(folder, name), ignore=ignored)
        shutil.copy(os.path.join(ROOT, "pyproject.toml"), folder)
        path = os.path.join(folder, "keras_gans", mutant.file)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        with open(path, "w", encoding="utf-8") as file:
            file.write(text.replace(mutant.old, mutant.new))
        test, *words = mutant.tests.split(" ", 2)
        options = [words[0], words[1]] if words else []
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"tests/{test}", *options]
        environment = {**os.environ, "PYTHONPATH": folder, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.strip()] or ["no output"]
    if done.returncode not in (0, 1):  # no test was run, or the tests could not be collected
        lines.append(f"pytest ended with {done.returncode}: {lines[-1]}")
    return done.returncode != 1, lines[-1], time.perf_counter() - begun


def table(results):
    """Returns the Markdown table of `{mutant: survived}`."""
    lines = ["| what is wrong | file | tests that see it | |", "|---|---|---|---|"]
    for mutant, survived in results.items():
        tests = mutant.tests.replace(" -k ", ": ")
        lines.append(f"| {mutant.what} | `{mutant.file}` | `{tests}` | {'**survived**' if survived else 'caught'} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD", help="default: all mutants")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time, default 2")
    parser.add_argument("--write", action="store_true", help="write the table into docs/testing.md")
    arguments = parser.parse_args()
    wrong = misplaced()
    if wrong:
        raise SystemExit("The code has moved on: " + "; ".join(f"{m.what} ({m.file})" for m in wrong))
    chosen = [m for m in MUTANTS if not arguments.words or any(w in m.what or w in m.file for w in arguments.words)]
    results = {}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for mutant, (survived, line, seconds) in zip(chosen, pool.map(survives, chosen), strict=True):
            results[mutant] = survived
            print(f"{'SURVIVED' if survived else 'caught':<9} {seconds:4.0f} s  {mutant.what}", flush=True)
            if survived:
                print(f"          {line}", flush=True)
    caught = sum(not survived for survived in results.values())
    print(f"{caught} of {len(results)} caught")
    if arguments.write:
        pages.put(PAGE, "mutants", table(results), "Testing", "## Mutants")
    sys.exit(caught < len(results))


if __name__ == "__main__":
    main()
