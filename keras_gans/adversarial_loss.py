"""A critic as a loss inside any model from images to images: autoencoders, restoration, super-resolution, VAEs.

y = M(x) the model's output, t its target, C the critic (image -> logits, one or one per patch), L_rec the loss that the
model was compiled with, sg the identity without gradient. Both players step from one pass of the model:

    model    L_rec(t, y) + ramp(step) w L_adv(C(y))
    critic   L_C(C(t), C(sg y)) + penalties,      from step `start - pretrain` on

    ramp     0 until `start`, then linearly to 1 within `ramp` steps
    w        a number, or adaptive: scale times the smaller of r and its mean,
             r = |grad_k L_rec| / (|grad_k L_adv| + 1e-4), within [0.01, 100], k the model's last kernel

as in VQGAN (Esser et al., 2020, arXiv:2012.09841; its code), whose weight is that of each step, within [0, 1e4].

Our choices: 1. the critic is trained before the model sees it; 2. the ramp; 3. r is averaged: over all steps so far,
from the 100th on with a decay of 0.99; where it is not finite it is left out; 4. the mean alone lags behind a critic
whose gradient grows (docs/adversarial_loss.md), hence the smaller of both: at k the critic never pulls more than
`scale` times as hard as L_rec; 5. while the critic wins (its loss below 5 % of that at chance) the mean may fall but
not rise: a gradient that dies is not made up for; 6. both players step from the same weights, VQGAN's critic after the
model; 7. the losses are those of the games: hinge without the factor 1/2; 8. `scale` is 0.3, VQGAN's is 0.8.
"""

import functools
import warnings

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import (
    OnePass,
    PlayerOptimizers,
    Score,
    called,
    checked_network,
    collected,
    coupled_layers,
    descend,
    image_key,
    judge,
    last_kernel,
    on_one_replica,
    output_shape,
    player_optimizer,
    preserved,
    refuse_unsavable,
    release,
    value_and_input_gradients,
    warn_of_bounded_scores,
)
from keras_gans.engine.private_keras import is_seed, plain_setattr
from keras_gans.games import relativistic, sgan
from keras_gans.networks import patch

GAMES = {
    **{"hinge": (sgan, "hinge"), "gan": (sgan, "non_saturating"), "least_squares": (sgan, "least_squares")},
    **{"rsgan": (relativistic, "pairwise"), "rasgan": (relativistic, "averaged")},
    **{"ralsgan": (relativistic, "averaged_least_squares"), "rahinge": (relativistic, "averaged_hinge")},
}
DECAY, SMALLEST, LARGEST, EPSILON = 0.99, 0.01, 100.0, 1e-4
WINNING = 0.05  # of the critic's loss at chance
PRETRAIN = 500
RESULTS, OF_TRAINING = ("critic_loss", "adversarial_loss"), ("adversarial_weight", "critic_wins")


@keras.saving.register_keras_serializable("keras_gans")
class AdversarialLoss(keras.layers.Layer):
    """A critic, its game and its optimiser, as a second loss of any `keras.Model` whose output is an image.

    `attach` changes the train step of the model, whose object stays the same. In the logs of `fit`, `loss` is L_rec
    alone, as in `evaluate`; beside it stand `critic_loss` (without penalties), `adversarial_loss` (without its weight),
    `adversarial_weight` (ramp times w), `critic_wins` (the share of steps in which it held the weight) and `penalty`.
    They are 0 until the critic begins. `evaluate` has the first two, at inference.

    Args:
        critic: `"patch"` (default; `keras_gans.networks.patch`), or a `keras.Model`, images (n, h, w, c) -> logits
            (n, k) or (n, h', w', k), higher = more real, no sigmoid.
        game: `"hinge"` (default), `"gan"` (non-saturating), `"least_squares"`, `"rsgan"` (each output against its own
            target), `"rasgan"`, `"ralsgan"` or `"rahinge"`.
        weight: `"adaptive"` (default), or a number of at least 0; with 0 the critic trains and the model ignores it.
        start: Train step, counted from `attach`, from which the model sees the critic; default 1000.
        ramp: Steps in which the factor then rises from 0 to 1, default 1000.
        pretrain: Steps before `start` in which the critic trains alone, at most `start`; default 500, or fewer with an
            earlier start.
        penalties: List of `keras_gans.penalties` on the critic's gradient by the image, of the mean of its logits.
        scale: Factor of the adaptive weight, above 0, default 0.3. With 1 both gradients are equal at the last kernel.
        optimizer: The critic's; default Adam(2e-4, beta_1=0.5), of DCGAN. The model has its own.
        conditional: Whether the critic also sees the model's input, resized to the output, as further channels.
        output: Of a model with several images among its outputs the name, or position in a list, of the one.
        last_layer: Layer, or name of one, whose kernel the adaptive weight is measured at. Default: the last trained
            kernel; a model with several outputs must name the one before the image.

    Raises:
        TypeError, ValueError: An argument outside the ranges above. In `attach`: no `keras.Model`, one with a train
            step of its own, one that has an adversarial loss already, or whose output is no image. At the first step:
            a model without a loss, a target of another shape than the output.

    Example:
        >>> model.compile("adam", "mae")
        >>> keras_gans.AdversarialLoss(start=2000, pretrain=1000).attach(model).fit(blurred, sharp, epochs=10)

    Reference: Esser, Rombach, Ommer, 2020, arXiv:2012.09841.
    """

    players = ("critic",)

    def __init__(
        self,
        critic="patch",
        game="hinge",
        weight="adaptive",
        start=1000,
        ramp=1000,
        pretrain=None,
        penalties=(),
        scale=0.3,
        optimizer=None,
        conditional=False,
        output=None,
        last_layer=None,
        name="adversarial_loss",
    ):
        super().__init__(name=name, dtype="float32")
        if isinstance(critic, str):
            self.critic = checks.one_of("critic", critic, ("patch",))
        else:
            self.critic = checked_network("critic", critic)
        self.game = checks.one_of("game", game, GAMES)
        if isinstance(weight, str):
            self.weight = checks.one_of("weight", weight, ("adaptive",))
        else:
            self.weight = checks.number("weight", weight, minimum=0)
        self.start = checks.positive_integer("start", start, minimum=0)
        self.ramp = checks.positive_integer("ramp", ramp, minimum=0)
        pretrain = min(PRETRAIN, self.start) if pretrain is None else pretrain
        self.pretrain = checks.positive_integer("pretrain", pretrain, minimum=0)
        if self.pretrain > self.start:
            raise ValueError(
                "`pretrain` must be at most `start`: the critic trains so many steps before it. "
                f"{checks.received(pretrain=pretrain, start=start)}"
            )
        plain_setattr(self, "penalties", checks.penalties(penalties))
        for penalty in self.penalties:
            refuse_unsavable("penalties", penalty)
        self.scale = checks.number("scale", scale, above=0)
        self.conditional = checks.flag("conditional", conditional)
        self.output_name, self.last_layer = output, getattr(last_layer, "name", last_layer)
        optimizer = keras.optimizers.Adam(2e-4, beta_1=0.5) if optimizer is None else optimizer
        # Hidden in a function: Keras looks among the attributes for what has a state, and saves it.
        self.optimizer_for = functools.partial(player_optimizer, "optimizer", optimizer)
        self.optimizer = self.seeds = self.shape = self.key = None
        self.steps, self.epochs_done, self.ratios = map(self._counter, ("steps", "epochs_done", "ratios"))
        self.ratio = self._counter("ratio", "float32")  # the mean of r
        names = (*RESULTS, *OF_TRAINING, *["penalty"] * bool(self.penalties))
        plain_setattr(self, "means", {each: keras.metrics.Mean(name=each) for each in names})
        plain_setattr(self, "is_running", False)

    # The algorithm ----------------------------------------------------------------------------------------

    def train_step(self, model, data):
        """Takes one step of both players, and returns the logs."""
        on_one_replica()
        reals = self.target_of(model, data)
        one_pass = OnePass(model, data, lambda outputs: self.image_of(outputs, reals))
        fakes, x = one_pass.image, one_pass.x

        adversarial_loss, slope = self.towards(reals, fakes, x)
        _, observed = descend(self.critic_objective, self, "critic", reals, fakes, x)
        wins = observed["critic_loss"] < WINNING * self.loss_at_chance()

        weight = self.ramp_now() * self.weight_now(one_pass, slope, wins)
        one_pass.descend(ops.where(weight > 0, weight * slope, 0.0))

        self.count_step()
        observed |= {"adversarial_loss": adversarial_loss, "adversarial_weight": weight, "critic_wins": wins}
        return self.reported(one_pass, observed)

    def towards(self, reals, fakes, x):
        """Returns `(L_adv, its gradient by the fakes)`; the critic's statistics stay."""
        scale = ops.cast(self.optimizer.of("critic").scale_loss(ops.ones(())), "float32")

        def loss(images):
            return scale * self.model_loss(real, self.score(images, x))

        with preserved([self.critic]):
            real = self.score(reals, x) if self.is_relativistic else None
            value, slope = value_and_input_gradients(loss, fakes)
        return ops.stop_gradient(value) / scale, ops.stop_gradient(slope) / scale

    def critic_objective(self, reals, fakes, x):
        """Returns the critic's loss with its penalties, and what is logged."""
        if not self.penalties:
            loss = self.critic_loss(self.score(reals, x), self.score(fakes, x))
            return loss, {"critic_loss": loss}
        score = Score(lambda images, training=True: self.score(images, x, training), judged, seed=self.seeds)
        loss = self.critic_loss(score.outputs(reals), score.outputs(fakes))
        self.seeds.draws = 0
        weights = keras.random.uniform((ops.shape(reals)[0],), seed=self.seeds)
        step = self.optimizer.of("critic").iterations
        with collected(None):
            penalty = sum(each(score, reals, fakes, weights, step) for each in self.penalties)
        return loss + penalty, {"critic_loss": loss, "penalty": penalty}

    def weight_now(self, one_pass, slope, wins):
        """Returns w; the adaptive one takes this step into its mean first."""
        if not self.is_adaptive:
            self.warn_of_sums(one_pass.model)
            return self.weight
        of_loss, of_critic = one_pass.norms(last_kernel(one_pass.model, self.last_layer), slope)
        return self.scale * self.remembered(of_loss, of_critic, wins)

    def remembered(self, of_loss, of_critic, wins):
        """Takes the ratio of two norms into the mean, which does not rise while the critic `wins`.

        Returns:
            The smaller of both.
        """
        ratio, before = of_loss / (of_critic + EPSILON), ops.convert_to_tensor(self.ratio)
        is_finite = ops.isfinite(ratio)
        ratios = self.ratios + ops.cast(is_finite, "int32")
        share = ops.maximum(1.0 - DECAY, 1.0 / ops.cast(ops.maximum(ratios, 1), "float32"))
        ratio = ops.clip(ops.where(is_finite, ratio, LARGEST), SMALLEST, LARGEST)
        mean = before + share * (ratio - before)
        is_held = ops.logical_and(ops.logical_and(wins, mean > before), ratios > 1)
        mean = ops.where(ops.logical_and(is_finite, ops.logical_not(is_held)), mean, before)
        self.ratio.assign(mean)
        self.ratios.assign(ratios)
        return ops.minimum(ratio, mean)

    def ramp_now(self):
        """Returns the factor, within [0, 1], of the adversarial loss in this step."""
        after = ops.cast(self.steps - self.start, "float32")
        return ops.clip(after / self.ramp, 0.0, 1.0) if self.ramp else ops.cast(after >= 0, "float32")

    # The game ---------------------------------------------------------------------------------------------

    def critic_loss(self, real, fake):
        """Returns L_C, a scalar, from logits on targets and outputs."""
        losses, kind = GAMES[self.game]
        return losses.discriminator_loss(real, fake, kind)

    def model_loss(self, real, fake):
        """Returns L_adv, a scalar, from logits on outputs and, in relativistic games, on targets."""
        losses, kind = GAMES[self.game]
        return (
            losses.discriminator_loss(fake, real, kind) if self.is_relativistic else losses.generator_loss(fake, kind)
        )

    def loss_at_chance(self):
        """Returns the critic's loss where it tells nothing apart."""
        return self.critic_loss(ops.zeros((1, 1)), ops.zeros((1, 1)))

    def score(self, images, x, training=True):
        """Returns the critic's float32 logits on images, beside the model's input `x` where it is conditional."""
        if self.conditional:
            beside = ops.image.resize(ops.cast(x, "float32"), images.shape[1:3], data_format="channels_last")
            images = ops.concatenate([images, beside], axis=-1)
        return ops.cast(called(self.critic, images, training), "float32")

    # The step's surroundings --------------------------------------------------------------------------------

    def test_step(self, model, data):
        """Returns the logs of an evaluation: those of the model, and the losses of both players at inference."""
        reals = self.target_of(model, data)
        one_pass = OnePass(model, data, lambda outputs: self.image_of(outputs, reals), training=False)
        real, fake = (self.score(images, one_pass.x, training=False) for images in (reals, one_pass.image))
        observed = {"critic_loss": self.critic_loss(real, fake), "adversarial_loss": self.model_loss(real, fake)}
        logs = self.reported(one_pass, observed)
        return {name: value for name, value in logs.items() if name not in self.means or name in RESULTS}

    def count_step(self):
        """Counts a step of the model."""
        self.steps.assign(self.steps + 1)

    @property
    def begins(self):
        """The step from which the critic trains."""
        return self.start - self.pretrain

    def reported(self, one_pass, observed):
        """Puts values into their means, and returns all logs."""
        for name, value in observed.items():
            self.means[name].update_state(ops.cast(value, "float32"), sample_weight=one_pass.rows)
        return one_pass.logs()

    def image_of(self, outputs, reals=None):
        """Returns the image among a model's outputs, of the shape of its targets."""
        image = outputs if self.key is None else outputs[self.key]
        if reals is not None:
            checks.same_shape(target=reals, output=image)
        return image

    def target_of(self, model, data):
        """Returns the targets of the image, float32."""
        _, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        if y is None:
            raise ValueError(
                "`y` is missing: an adversarial loss compares the output with a target. For an autoencoder, "
                "fit(images, images). Received: a batch of inputs alone."
            )
        if self.key is not None:
            y = y[model.output_names[self.key] if isinstance(y, dict) and isinstance(self.key, int) else self.key]
        return ops.cast(y, "float32")

    @staticmethod
    def warn_of_sums(model):
        """Warns of a loss that adds up its pixels, beside which a fixed weight is as good as none."""
        if any(getattr(each, "reduction", None) == "sum" for each in keras.tree.flatten(model.loss)):
            warnings.warn(
                "The loss of the model is a sum, not a mean: a fixed weight must be as many times as large. "
                "weight='adaptive' takes care of that.",
                stacklevel=2,
            )

    # The model ----------------------------------------------------------------------------------------------

    def attach(self, model):
        """Makes a model train with this loss, before or after `compile`, and returns it; see the class."""
        if self.seeds is not None:
            raise ValueError("The adversarial loss belongs to a model already: give each model one of its own.")
        judge(model, self)
        return model

    @staticmethod
    def undo(model):
        """Gives a model its own class and train step back, without the critic. Returns it."""
        return release(model)

    def build_for(self, model, x, outputs):
        """Makes critic and optimiser for the specs of a model's input and outputs."""
        self.key = image_key(model, outputs, self.output_name)
        image = self.image_of(outputs)
        if len(image.shape) != 4 or image.shape[-1] is None or not keras.backend.is_float_dtype(image.dtype):
            raise ValueError(
                "The output of the model must be images, floats (n, height, width, channels). Received: an output of "
                f"shape {tuple(image.shape)} and dtype {image.dtype}."
            )
        if self.conditional and len(getattr(x, "shape", ())) != 4:
            raise ValueError(
                "`conditional=True` needs a model with one input of images (n, height, width, channels). "
                f"Received: {keras.tree.map_structure(lambda each: tuple(each.shape), x)}."
            )
        if self.is_adaptive:
            last_kernel(model, self.last_layer, several_outputs=self.key is not None)
        self.build_critic((*image.shape[1:3], image.shape[-1] + (x.shape[-1] if self.conditional else 0)))

    def build_critic(self, shape):
        """Makes the critic, for images of `shape` (height, width, channels), and its optimiser."""
        self.shape = tuple(shape)
        if isinstance(self.critic, str):
            self.critic = patch.critic(self.shape)
        takes = [tuple(each.shape)[1:] for each in getattr(self.critic, "inputs", None) or ()]
        sides = zip(takes[0], self.shape, strict=False) if takes else ()
        if len(takes) > 1 or any(None not in pair and pair[0] != pair[1] for pair in sides):
            raise ValueError(
                f"`critic` must take the images that it judges, of shape {self.shape}. Received: a critic for inputs "
                f"of shape {' and '.join(map(str, takes))}."
            )
        scores = output_shape("critic", self.critic, (None, *self.shape))
        if len(scores) < 2 or scores[0] is not None:
            raise ValueError(
                f"`critic` must return logits (n, k) or (n, h, w, k). Received: an output of shape {scores}."
            )
        if not self.critic.trainable_variables:
            raise ValueError("`critic` must have trained weights. Received: a critic without any.")
        warn_of_bounded_scores("critic", self.critic)
        coupled = coupled_layers(self.critic)
        if coupled and self.penalties:
            raise ValueError(
                "A critic for `penalties` must treat images independently, or the gradient is not that of one image. "
                f"The layer {coupled[0]!r} mixes the images of a batch: take layer or group norm."
            )
        if coupled:
            warnings.warn(
                f"`critic` mixes the images of a batch in the layer {coupled[0]!r}. Targets and outputs go through it "
                "one after the other, each with statistics of its own; layer or group norm does without.",
                stacklevel=4,
            )
        self.optimizer = PlayerOptimizers({"critic": self.optimizer_for(self.critic)})
        self.built = True

    @property
    def state(self):
        """All variables: of the critic, of its optimiser, and the counters."""
        return [*self.variables, *(self.optimizer.variables if self.built else [])]

    # Files --------------------------------------------------------------------------------------------------

    def _seed_states(self):
        """Returns the seeds of model and critic: Keras itself saves none, so that resuming would not be exact."""
        return [variable for variable in self.seeds.model.non_trainable_variables if is_seed(variable)]

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for i, state in enumerate(self._seed_states()):
            store[f"seed_{i}"] = ops.convert_to_numpy(state.value)

    def load_own_variables(self, store):
        keys = list(store.keys())
        super().load_own_variables({key: store[key] for key in keys if key.isdigit()})
        for i, state in enumerate(self._seed_states()):
            if f"seed_{i}" in keys:
                state.assign(store[f"seed_{i}"])

    def get_config(self):
        names = ("game", "weight", "start", "ramp", "pretrain", "scale", "conditional", "last_layer", "name")
        optimizer = self.optimizer.of("critic") if self.built else keras.optimizers.get(self.optimizer_for.args[-1])
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            optimizer = optimizer.inner_optimizer
        return {
            **{name: getattr(self, name) for name in names},
            "critic": self.critic if isinstance(self.critic, str) else keras.saving.serialize_keras_object(self.critic),
            "penalties": [keras.saving.serialize_keras_object(penalty) for penalty in self.penalties],
            "optimizer": keras.saving.serialize_keras_object(optimizer),
            "output": self.output_name,
            "built_for": {"shape": self.shape, "key": self.key} if self.built else None,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        built_for = config.pop("built_for")
        for name in ("critic", "optimizer", "penalties"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        loss = cls(**config)
        if built_for is not None:
            loss.key = built_for["key"]
            loss.build_critic(built_for["shape"])
        return loss

    def _counter(self, name, dtype="int32"):
        return self.add_weight(shape=(), initializer="zeros", dtype=dtype, trainable=False, name=name)

    @property
    def is_relativistic(self):
        """Whether the model's loss looks at the critic's logits on the targets."""
        return GAMES[self.game][0] is relativistic

    @property
    def is_adaptive(self):
        """Whether the weight follows the gradients."""
        return self.weight == "adaptive"


def judged(outputs):
    """Returns one score (n,) per image, the mean of its logits."""
    return ops.mean(outputs, axis=tuple(range(1, len(outputs.shape))))
