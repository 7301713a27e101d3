"""i-ResNet, the invertible residual network: residual blocks with an inverse, trained by maximum likelihood.

Behrmann, Grathwohl, Chen, Duvenaud and Jacobsen, 2019, arXiv:1811.00995. With F the network, a chain of blocks
y = x + g(x) whose g has a Lipschitz constant L < 1, and D the dimension of x:

    log p(x) = log N(F(x); m, diag e^(2s)) + sum over the layers of log det       m and s are trained, too
    log det(I + J_g) ~ sum over k = 1..n of (-1)^(k+1)/k p' J_g^k p               p: a random +1 or -1 in every place
    loss = mean of  -log p(x) / (D log 2) + 8        bits per dimension of x = (byte + U) / 256 - 1/2; no 8 for points
    sampling: x <- y - g(x) until it stands still, from the last block to the first

As a classifier (`mode="classifier"`) the same network is trained by cross entropy on p(class | x), where every class y
has its own m_y and s_y and all are equally probable; log det does not depend on the class:

    loss = mean of  -log( N(F(x); m_y, e^(2 s_y)) / sum over c of N(F(x); m_c, e^(2 s_c)) )

What bounds L stands in `keras_gans/layers/lipschitz.py`, the series and its other estimators in
`keras_gans/flows/log_determinant.py`, the blocks and the multi-scale network in `keras_gans/layers/residual_flow.py`
and `keras_gans/networks`.

Our choices: 1. latents are z = (F(x) - m) e^(-s), of N(0, 1) under the model, so that `decode` and `generate` take what
other models take; 2. probes and U are made of the signs and the magnitudes of one normal vector per image, which are
independent; 3. encodings are those of the middle of a level, U = 1/2, of which the inverse gives back the very bytes;
4. the optimiser is that of the authors' launch script, without its warm-up, which ends at twice the rate.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import GenerativeModel, Part, checked_network, descend, mean
from keras_gans.engine.encoder import Encoder
from keras_gans.flows.density import Density
from keras_gans.flows.dequantization import bits_per_dimension, dequantized, quantized, uniform_and_signs
from keras_gans.flows.log_determinant import ESTIMATORS, Estimator

MODES = ("density", "classifier")


@keras.saving.register_keras_serializable("keras_gans")
class InvertibleResNet(Density, Encoder, GenerativeModel):
    """A residual network that is inverted: likelihoods, samples by `generate`, exact encodings, and classes.

    Args:
        network: `keras_gans.layers.Flow`, as `keras_gans.networks.resnet.flow` and `mlp.flow` build it. It has as many
            latents as an image has values: the `latent_dim` of `keras_gans.create` changes nothing.
        num_classes: 0, or the number of classes, each with a prior of its own: `generate(labels=...)`, `classify`.
        mode: `"density"` (default), trained by maximum likelihood, or `"classifier"`, by cross entropy of the labels.
        log_det: How log-determinants are estimated in training: `"series"` (default), `"neumann"`, whose gradient has
            the same expectation at about half of the time, or `"roulette"`, without bias (arXiv:1906.02735).
        terms: Terms of the series in training, default 5; "roulette" draws their number.
        evaluation_terms: Terms of the series in `evaluate` and `log_likelihood`, default 20.
        tolerance: The inverse of a block ends where no value of it changes by more, default 1e-6.
        max_iterations: It ends after so many iterations, with a warning; default 100.
        data_initialization: Whether the first batch sets the scales of the network, by `initialize`; default True.

    Raises:
        ValueError: For unknown names, or a classifier without classes.
        TypeError: For a network that is no flow.

    Example:
        >>> model = keras_gans.create("invertible_resnet", image_shape=(32, 32, 1), network="resnet")
        >>> model.compile()
        >>> model.fit(images, batch_size=128, epochs=10)
        >>> model.bits_per_dim(images).mean(), model.generate(16)

    `fit` on arrays initialises the network first (`initialize`); before `fit` on a dataset, call `initialize` yourself.

    Reference: Behrmann et al., 2019, arXiv:1811.00995. Default optimiser: Adamax, learning rate 3e-3.
    """

    networks = ("network",)
    players = ("network",)
    steps_compare = False
    logs = ("network_loss", "log_det", "log_prior")

    def __init__(
        self,
        network,
        num_classes=0,
        mode="density",
        log_det="series",
        terms=5,
        evaluation_terms=20,
        tolerance=1e-6,
        max_iterations=100,
        data_initialization=True,
        **kwargs,
    ):
        self.mode = checks.one_of("mode", mode, MODES)
        super().__init__(num_classes=num_classes, **kwargs)
        if mode == "classifier" and not self.num_classes:
            raise ValueError(f"`num_classes` must be at least 1 for a classifier. {checks.received(num_classes=0)}")
        self.network = checked_network("network", network)
        if not hasattr(network, "transform") or network.num_classes != self.num_classes:
            raise TypeError(
                "`network` must be a flow for as many classes, as keras_gans.networks.resnet.flow and mlp.flow build "
                f"it with num_classes={self.num_classes}. {checks.received(network=network)}"
            )
        self.latent_shape = (network.dimension,)
        self.log_det = checks.one_of("log_det", log_det, ESTIMATORS)
        self.terms = checks.positive_integer("terms", terms)
        self.evaluation_terms = checks.positive_integer("evaluation_terms", evaluation_terms)
        self.tolerance = checks.number("tolerance", tolerance, above=0)
        self.max_iterations = checks.positive_integer("max_iterations", max_iterations)
        self.data_initialization = checks.flag("data_initialization", data_initialization)
        self.initialized = self._counter("initialized", int(not self.data_initialization))
        self.finish_building()

    @property
    def image_shape(self):
        return self.network.image_shape

    def all_logs(self):
        return self.logs if self.mode == "density" else ("network_loss", "accuracy")

    # Training ---------------------------------------------------------------------------------------------

    def likelihood_objective(self, images, labels, latents, training=True):
        """Returns `(bits per dimension, {"log_det": nats, "log_prior": nats})`, means over the batch."""
        uniform, signs = uniform_and_signs(latents)
        seeds = self.latent_seeds if training else self.evaluation_seeds
        if training:
            drawn = keras.random.uniform((), seed=seeds) if self.log_det == "roulette" else None
            estimator = Estimator([signs], self.terms, self.log_det, drawn)
        else:
            estimator = Estimator([signs], self.evaluation_terms, "neumann")
        x = dequantized(images, ops.reshape(uniform, (-1, *self.image_shape)))
        v, log_det = self.network.transform(x, estimator, training)
        log_prior = self.network.log_prior(v, labels)
        loss = mean(bits_per_dimension(log_prior + log_det, self.image_shape))
        return loss, {"log_det": mean(log_det), "log_prior": mean(log_prior)}

    def classifier_objective(self, images, labels, latents, training=True):
        """Returns `(cross entropy in nats, {"accuracy": share of right classes})`, means over the batch."""
        del latents
        logits = self.class_logits(images, training)
        right = ops.equal(ops.argmax(logits, axis=-1), ops.cast(labels, "int32"))
        chosen = ops.take_along_axis(ops.log_softmax(logits), ops.cast(labels, "int32")[:, None], axis=-1)
        return -mean(chosen), {"accuracy": mean(ops.cast(right, "float32"))}

    def class_logits(self, images, training=False):
        """Returns log N(F(x); m_y, e^(2 s_y)) of float32 images, (n, classes)."""
        return self.network.log_priors(self.network.transform(dequantized(images), training=training)[0])

    def objective(self, *arguments):
        """Returns `(loss, {log: value})` of one batch, of the objective of the mode."""
        return (self.likelihood_objective if self.mode == "density" else self.classifier_objective)(*arguments)

    def train_step(self, data):
        images, labels = self.batch(data)
        latents = self.sample_latents(ops.shape(images)[0])
        loss, observed = descend(self.objective, self, "network", images, labels, latents)
        return self.report(network_loss=loss, **observed)

    def observed_losses(self, images, labels, latents):
        loss, observed = self.objective(images, labels, latents, False)
        return {"network_loss": loss, **observed}

    def default_optimizers(self):
        return {"network": keras.optimizers.Adamax(3e-3)}

    # Inference --------------------------------------------------------------------------------------------

    def with_convergence(self, latents, labels=None):
        """Returns `(images, iterations, change)` of latents: float images in [-1, 1], and how the inverse went."""
        m, s = self.network.prior(labels)
        x, iterations, change = self.inverted(m + ops.exp(s) * ops.cast(latents, "float32"))
        return quantized(x), iterations, change

    def fake(self, latents, labels=None, training=True):
        return self.with_convergence(latents, labels)[0]

    def decode(self, latents, labels=None, average=False):
        """Returns the images (uint8), or points, of latents (n, D); warns where the inverse does not converge."""
        latents = self.checked_latents(latents)
        labels = self.labels_for(len(latents), labels)
        call = self.averaged_call("with_convergence", self.with_convergence, average)
        images, iterations, change = self.compiled_call(*call, latents, labels)
        pictures = self.to_pictures(images)
        self.tell_of_divergence(iterations, change)
        return pictures

    def encodings(self, images, labels=None):
        return self.network.standardized(self.network.transform(dequantized(images))[0], labels)

    def classify(self, images, probabilities=False):
        """Returns the most probable class of each image, int32 (n,), or the probabilities, float32 (n, num_classes).

        All classes are taken to be equally frequent.
        """
        if not self.num_classes:
            raise ValueError("`classify` needs a model with classes: build it with num_classes=<number of classes>.")
        found = self.compiled_call("classify", lambda x: ops.softmax(self.class_logits(x)), self.as_floats(images))
        return found if checks.flag("probabilities", probabilities) else found.argmax(axis=-1).astype("int32")

    @classmethod
    def blueprint(cls, latent_dim, **knobs):
        del knobs
        return {"network": Part("flow", latent_dim, {})}

    def get_config(self):
        knobs = ("mode", "log_det", "terms", "evaluation_terms", "tolerance", "max_iterations", "data_initialization")
        return {**super().get_config(), **{name: getattr(self, name) for name in knobs}}
