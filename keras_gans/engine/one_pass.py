"""One forward pass of any model on a batch, whose gradients are asked for several times, and where they are."""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine.backend import module as backend
from keras_gans.engine.inspection import layer_paths
from keras_gans.engine.private_keras import called, has_own_loss, track_loss, whole_loss


class OnePass:
    """One forward pass of a model on a batch, whose gradients can be asked for several times.

    Attributes:
        x, y: The batch.
        loss: The loss that the model was compiled with, and all that its layers add.
        image: `image_of` the output, float32, a constant.
    """

    def __init__(self, model, data, image_of, training=True):
        data = keras.tree.map_structure(lambda each: None if each is None else ops.convert_to_tensor(each), data)
        self.model, (self.x, self.y, self._weight) = model, keras.utils.unpack_x_y_sample_weight(data)

        def forward():
            outputs = called(model, self.x, training)
            image = ops.cast(image_of(outputs), "float32")
            if model.loss is None and not has_own_loss(model) and not model.losses:
                raise ValueError(
                    "The model must have a loss of its own beside an adversarial one: give `loss` to compile. "
                    f"{checks.received(loss=model.loss)}"
                )
            loss = whole_loss(model, self.x, self.y, outputs, self._weight, training)
            scaled = model.optimizer.scale_loss(loss) if training else loss
            return [scaled, image], (loss, outputs)

        if training:
            (_, image), (self.loss, self._outputs), self._pullback = backend.pullbacks(
                forward, lambda: model.trainable_variables
            )
        else:
            (_, image), (self.loss, self._outputs) = forward()
        self.image = ops.stop_gradient(image)
        self.rows = ops.shape(next(each for each in keras.tree.flatten(self.x) if each is not None))[0]

    def gradients(self, variables, of_loss, at_image):
        """Returns the gradients of `of_loss` times the loss plus the sum of `at_image` times the image, both scaled.

        None stands for a variable that they do not depend on (zeros on JAX).
        """
        scale = ops.cast(self.model.optimizer.scale_loss(ops.ones(())), "float32")
        return self._pullback([ops.ones_like(self.loss) * of_loss, at_image * scale], variables)

    def norms(self, variable, at_image):
        """Returns the norms of the two gradients at one variable, float32, without the factor of loss scaling."""
        scale = ops.cast(self.model.optimizer.scale_loss(ops.ones(())), "float32")
        found = [
            self.gradients([variable], 1.0, ops.zeros_like(at_image))[0],
            self.gradients([variable], 0.0, at_image)[0],
        ]
        if any(each is None for each in found):
            raise ValueError(
                "`last_layer` must lie between the input and the image: both losses need a gradient there. "
                f"Received: the variable {variable.path!r}, which has none."
            )
        return [ops.sqrt(ops.sum(ops.square(ops.cast(each, "float32") / scale))) for each in found]

    def descend(self, at_image):
        """Takes the model's step along the gradient of its loss plus the sum of `at_image` times the image."""
        variables = self.model.trainable_variables
        backend.apply_gradients(self.model.optimizer, self.gradients(variables, 1.0, at_image), variables)

    def logs(self):
        """Tells the model's means and metrics of this pass, and returns them all."""
        track_loss(self.model, self.loss, self.rows)
        return self.model.compute_metrics(self.x, self.y, self._outputs, sample_weight=self._weight)


def on_one_replica():
    """Refuses `tf.distribute` with several replicas."""
    if backend.replicas() > 1:
        raise ValueError(
            "An adversarial loss trains on one replica: the weight of each would be another one. "
            f"Received: {backend.replicas()} replicas."
        )


def image_key(model, outputs, name=None):
    """Returns the key, in a dict or list of outputs (or their specs), of the image; None for a model of one output.

    Args:
        model: The `keras.Model`.
        outputs: What it returns.
        name: Name or position of the image, where more than one output may be one.
    """
    if not isinstance(outputs, (dict, list, tuple)):
        return None
    keys = list(outputs) if isinstance(outputs, dict) else list(range(len(outputs)))
    names = keys if isinstance(outputs, dict) else list(getattr(model, "output_names", keys))
    images = [key for key in keys if len(outputs[key].shape) == 4]
    if name is None and len(images) == 1:
        return images[0]
    named = {**dict(zip(keys, keys, strict=True)), **dict(zip(names, keys, strict=True))}
    if name not in named:
        raise ValueError(
            f"`output` must name the image among the outputs of the model: {', '.join(map(repr, names))}. "
            f"{checks.nearest(name, names)}{checks.received(output=name)}"
        )
    return named[name]


def last_kernel(model, layer=None, several_outputs=False):
    """Returns the last trained variable of two axes or more, of a model or of its layer of a name."""
    if layer is None and several_outputs:
        raise ValueError(
            "`last_layer` must name the last layer before the image in a model with several outputs: the adaptive "
            "weight is measured there. Received: last_layer=None."
        )
    variables = model.trainable_variables
    if layer is not None:
        paths = layer_paths(model)
        found = [each for path, each in paths.items() if layer in (path, each.name)]
        if not found:
            raise ValueError(
                f"`last_layer` must be a layer of the model. {checks.nearest(layer, paths)}"
                f"{checks.received(last_layer=layer)}"
            )
        variables = found[-1].trainable_variables
    kernels = [variable for variable in variables if len(variable.shape) > 1]
    if not kernels:
        raise ValueError(
            "`last_layer` must name a layer with a trained kernel: the adaptive weight is measured there. "
            f"{checks.received(last_layer=layer)}"
        )
    return kernels[-1]
