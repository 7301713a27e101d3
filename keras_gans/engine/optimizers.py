"""One `keras.optimizers.Optimizer` over the optimisers of all players.

`model.optimizer` is what stock callbacks, checkpoints and the JAX trainer look at. This object shows them
every player's optimiser (`optimizers`, as `keras.optimizers.MultiOptimizer` does) and all of their state
(`variables`), and it applies gradients by the identity of the variables, so that one player can move alone.
"""

import numbers

import keras
from keras import ops
from keras.optimizers import LossScaleOptimizer

from keras_gans import checks
from keras_gans.engine.private_keras import count_step, layers_of, own_variables, second_moment, trained_variables


def player_optimizer(argument, optimizer, network):
    """Returns a built optimiser for one network, with loss scaling where the network computes in float16.

    Args:
        argument: Name of the argument, for the error sentences.
        optimizer: A `keras.optimizers.Optimizer`, its name (`"adam"`) or its config.
        network: The network whose trainable variables it moves.
    """
    try:
        optimizer = keras.optimizers.get(optimizer)
    except Exception as error:  # Keras raises nearly anything for a config that it does not know
        came = checks.received(**{argument: optimizer})
        raise ValueError(f"`{argument}` must be a Keras optimizer, its name or its config. {came}") from error
    inner = optimizer.inner_optimizer if isinstance(optimizer, LossScaleOptimizer) else optimizer
    rate = inner.get_config().get("learning_rate")
    if isinstance(rate, numbers.Real):
        checks.number(f"learning_rate of {argument}", rate, minimum=0)
    if inner.use_ema:
        raise ValueError(
            f"`{argument}` must not have use_ema=True: Keras would overwrite the trained weights with the average "
            "at the end of fit. Use keras_gans.callbacks.WeightMovingAverage(decay=...), which keeps both."
        )
    if inner.built and {id(v) for v in trained_variables(inner)} != {id(v) for v in network.trainable_variables}:
        raise ValueError(
            f"`{argument}` already belongs to other variables; give each player and each model an optimizer of its own."
        )
    halves = any(getattr(layer, "compute_dtype", None) == "float16" for layer in layers_of(network))
    if halves and not isinstance(optimizer, LossScaleOptimizer):
        optimizer = LossScaleOptimizer(optimizer, name="loss_scale")
    if not optimizer.built and network.trainable_variables:  # a table that the data will fill has none yet
        optimizer.build(network.trainable_variables)
    return optimizer


def scale_rate(optimizer, factor):
    """Multiplies a learning rate that is a number; a schedule stays what the user made it."""
    inner = optimizer.inner_optimizer if isinstance(optimizer, LossScaleOptimizer) else optimizer
    if isinstance(inner.get_config()["learning_rate"], numbers.Real):
        inner.learning_rate = factor * float(ops.convert_to_numpy(inner.learning_rate))


@keras.saving.register_keras_serializable("keras_gans")
class PlayerOptimizers(keras.optimizers.Optimizer):
    """The optimisers of all players as one.

    Args:
        players: Dict from a player's name (`"generator"`) to its built optimiser.
    """

    def __init__(self, players, name="players"):
        super().__init__(learning_rate=0.0, name=name)
        shared = len({id(optimizer) for optimizer in players.values()}) < len(players)
        if shared:
            raise ValueError("Each player needs an optimizer of its own. Received one optimizer for several players.")
        self.players = list(players)
        for player, optimizer in players.items():
            optimizer.name = player  # stock callbacks log `learning_rate_<name>`
            setattr(self, f"{player}_optimizer", optimizer)
        self.built = True

    def of(self, player):
        """Returns the optimiser of the player called `player`."""
        return getattr(self, f"{player}_optimizer")

    def renew(self, player, network):
        """Gives a player whose variables are new ones an optimiser of the same settings, which knows nothing yet."""
        present = self.of(player)
        fresh = present if not present.built else type(present).from_config(present.get_config())
        fresh.name = player
        setattr(self, f"{player}_optimizer", player_optimizer(f"{player}_optimizer", fresh, network))

    @property
    def optimizers(self):
        """The players' optimisers, in the order of the players."""
        return [self.of(player) for player in self.players]

    @property
    def variables(self):
        return own_variables(self) + [variable for optimizer in self.optimizers for variable in optimizer.variables]

    @property
    def learning_rate(self):
        """The last player's learning rate, a scalar variable as in Keras; `of(player)` has each player's own.

        Setting it gives every player the rate where all have the same; where they differ, every rate is multiplied
        by the factor between the new value and this one, so that their ratios stay.
        """
        return self.optimizers[-1].learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        rates = [float(ops.convert_to_numpy(optimizer.learning_rate)) for optimizer in self.optimizers]
        if isinstance(value, numbers.Real) and len(set(rates)) > 1 and rates[-1] > 0:
            for optimizer, rate in zip(self.optimizers, rates, strict=True):
                optimizer.learning_rate = rate * value / rates[-1]
            return
        for optimizer in self.optimizers:
            optimizer.learning_rate = value

    def build(self, variables):
        """Does nothing: each player's optimiser was built on its own network."""

    def apply(self, grads, trainable_variables=None):
        """Applies each gradient with the optimiser that owns the variable; players without gradients stay."""
        if trainable_variables is None:
            trainable_variables = [v for optimizer in self.optimizers for v in trained_variables(optimizer)]
        for optimizer in self.optimizers:
            owned = {id(variable) for variable in trained_variables(optimizer)}
            pairs = [(g, v) for g, v in zip(grads, trainable_variables, strict=True) if id(v) in owned]
            if pairs:
                optimizer.apply(*map(list, zip(*pairs, strict=True)))
        count_step(self)

    def finalize_variable_values(self, var_list):
        """Does nothing: `use_ema` is refused, so there is no average to write over the weights."""

    def set_weights(self, weights):
        for variable, weight in zip(self.variables, weights, strict=True):
            variable.assign(weight)

    def save_own_variables(self, store):
        for i, variable in enumerate(own_variables(self)):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store):
        for i, variable in enumerate(own_variables(self)):
            variable.assign(store[str(i)])

    def get_config(self):
        return {
            "players": {player: keras.saving.serialize_keras_object(self.of(player)) for player in self.players},
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        players = {
            player: keras.saving.deserialize_keras_object(optimizer, custom_objects=custom_objects)
            for player, optimizer in config["players"].items()
        }
        return cls(players, name=config["name"])


@keras.saving.register_keras_serializable("keras_gans")
class ClippedAdam(keras.optimizers.Adam):
    """Adam whose gradients are clipped, entry by entry, to what they have been: |g| <= 3 sqrt(v) + 0.1.

    v is the second moment, corrected for its start at 0, before this step; in the first step it is 0. Entries that are
    not finite count as 0. Arguments as `keras.optimizers.Adam`.

    Reference: the published code of arXiv:1903.08689.
    """

    def update_step(self, gradient, variable, learning_rate):
        steps = ops.cast(self.iterations, "float32")
        decay = ops.where(steps > 0, 1.0 - ops.power(ops.cast(self.beta_2, "float32"), steps), 1.0)
        moment = ops.cast(second_moment(self, variable), "float32") / decay
        bound = 3.0 * ops.sqrt(moment) + 0.1
        finite = ops.where(ops.isfinite(gradient), ops.cast(gradient, "float32"), 0.0)
        super().update_step(ops.cast(ops.clip(finite, -bound, bound), gradient.dtype), variable, learning_rate)
