"""The private names of Keras that the package touches outside the backend files, each with its reason.

Keras may change any of them without notice. Here they stand together, so that a new Keras is checked in one place:
`tests/engine/test_private_keras.py` asks of each whether it still is what it was.
"""

import contextlib

from keras.src.backend.common.masking import get_keras_mask
from keras.src.backend.common.variables import AutocastScope
from keras.src.trainers.data_adapters import get_data_adapter

# `fit` passes it to `evaluate` for the validation data that it has prepared before: these are no arrays any more.
USES_PREPARED_DATA = "_use_cached_eval_dataset"
TRAINED_VARIABLES = "_trainable_variables"


class BuiltByConstructor:
    """A model whose constructor builds what it calls.

    Reason: before the first step on JAX and PyTorch, Keras calls a model that holds an unbuilt layer on a batch of its
    data, to build it. Ours is called on latents, and an unbuilt layer of a user's network is one that it never calls.
    """

    def _symbolic_build(self, iterator=None, data_batch=None):
        pass


# Computes the output of Keras's attention layers, by a fused kernel that never forms the matrix unless it is asked to.
COMPUTE_ATTENTION = "_compute_attention"


@contextlib.contextmanager
def full_precision_variables():
    """Inside this scope variables are read in their own dtype, whatever the precision policy of the layer around it.

    Reason: public layers have `autocast=False` for a whole layer only, not for one read.
    """
    with AutocastScope(None):
        yield


def layers_of(network, recursive=True, include_self=True):
    """Returns all layers of a network, each before the layers inside it.

    Reason: `network.layers` does not look into layers that hold layers.
    """
    return list(network._flatten_layers(include_self=include_self, recursive=recursive))


def data_adapter(dataset, **options):
    """Returns what Keras makes of a dataset; `fit` takes it, too. Reason: its tf.data pipeline is made there."""
    return get_data_adapter(dataset, **options)


def producer(tensor):
    """Returns the layer or operation that computes a symbolic tensor. Reason: no public name leads back in a graph."""
    return tensor._keras_history.operation


def losses_of_last_call(network):
    """Returns what the layers of a network added to the loss in its last call, without weight regularisers.

    Reason: `network.losses` holds both, and the weights are regularised once, not once per call.
    """
    return [loss for layer in layers_of(network) for loss in layer._get_own_losses()]


def trained_variables(optimizer):
    """Returns the variables that a built optimiser moves. Reason: no public name tells whose optimiser it is."""
    return list(getattr(optimizer, TRAINED_VARIABLES))


def own_variables(optimizer):
    """Returns an optimiser's variables without those of optimisers inside it. Reason: `variables` is overridden."""
    return list(optimizer._variables)


def count_step(optimizer):
    """Counts a step of an optimiser that applies nothing itself. Reason: `iterations` cannot be assigned."""
    optimizer._iterations.assign_add(1)


def raw_iterations(optimizer):
    """Returns the variable that counts calls. Reason: `iterations` is divided by `gradient_accumulation_steps`."""
    return optimizer._iterations


def second_moment(optimizer, variable):
    """Returns the variable in which an Adam keeps a weight's mean squared gradients. Reason: it has no public name."""
    return optimizer._velocities[optimizer._get_variable_index(variable)]


def forget_loss_tracker(model):
    """Takes away the mean called `loss` that `compile` makes. Reason: ours is that of the logged losses."""
    model._loss_tracker = None


def mark_as_called(model):
    """Tells that a model is built. Reason: `export` asks for it, and ours are built by their constructor, uncalled."""
    model._called = True


def begin_at_epoch(model, epoch):
    """Makes a running `fit` begin at an epoch. Reason: only `BackupAndRestore` may change it, by this name."""
    model._initial_epoch = epoch


def plain_setattr(owner, name, value):
    """Sets an attribute that Keras does not look at.

    Reason: Keras tracks variables, layers, lists and dicts that are assigned to a model, so as to save and train them.
    What a model only refers to (the sources of an average, compiled functions, a step that replaces a method) must
    stay out of that; `object.__setattr__` is the documented way round `Layer.__setattr__`.
    """
    object.__setattr__(owner, name, value)


def is_random(layer):
    """Returns whether a layer draws random numbers itself. Reason: seeds are told by the name of their state alone."""
    return any(is_seed(variable) for variable in layer.non_trainable_variables)


def is_seed(variable):
    """Returns whether a variable is the state of a `keras.random.SeedGenerator`."""
    return variable.name == "seed_generator_state"


def state_of(network):
    """Returns the variables that a call of a network may write: statistics and seeds, no frozen weights.

    Reason: `non_trainable_variables` also holds the weights of layers with `trainable=False`.
    """
    own = [variable for layer in layers_of(network) for variable in layer._non_trainable_variables]
    found = {id(variable): variable for variable in [*own, *filter(is_seed, network.non_trainable_variables)]}
    return list(found.values())


def data_loss(model, y, y_pred, sample_weight):
    """Returns the compiled loss alone. Reason: `compute_loss` adds the regularisers, which count once in a step."""
    return model._compile_loss(y, y_pred, sample_weight)


def whole_loss(model, x, y, y_pred, sample_weight, training):
    """Returns the loss of a step. Reason: `compute_loss` of a user may not take `training`; Keras knows whether."""
    return model._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)


def called(model, x, training):
    """Returns a model's output as the steps of Keras ask for it. Reason: its `call` may not take `training`."""
    return model(x, training=training) if model._call_has_training_arg else model(x)


def mask_of(tensor):
    """Returns the mask that a layer hung on its output, or None. Reason: only layers are given it."""
    return get_keras_mask(tensor)


def track_loss(model, loss, count):
    """Adds to the mean called `loss`, weighted by the rows of the batch. Reason: only Keras's steps update it."""
    model._loss_tracker.update_state(loss, sample_weight=count)


def has_own_step(model):
    """Returns whether the class of a model defines a `train_step`. Reason: that of Keras stands in its trainers."""
    plain = getattr(type(model), "plain_class", type(model))  # of a model that carries an average
    return not plain.train_step.__module__.startswith("keras.src.")


def has_own_loss(model):
    """Returns whether the class of a model defines `compute_loss`."""
    return not type(model).compute_loss.__module__.startswith("keras.src.")


def first_batch(iterator):
    """Returns the first batch of an epoch iterator. Reason: those of the backends hand over different things."""
    for _, _, batches in iterator:
        return batches[0] if isinstance(batches, (list, tuple)) else next(batches)


def build_on(model, iterator, data_batch, of_data):
    """Builds a model, its metrics and its loss as Keras does before the first step, on what `of_data` makes of a batch.

    Reason: Keras calls the model on the batch as it stands, which may hold unlabelled examples beside those that the
    model takes.
    """
    data_batch = first_batch(iterator) if data_batch is None else data_batch
    type(model)._symbolic_build(model, data_batch=of_data(data_batch))


def keep_state(model, state):
    """Hands the state of a compiled step to the JAX trainer. Reason: it looks for it when a step raises."""
    groups = ("trainable_variables", "non_trainable_variables", "optimizer_variables", "metrics_variables")
    model._jax_state = dict(zip(groups, state, strict=True))
