"""f-GAN, the game of any f-divergence (Nowozin et al., 2016, arXiv:1606.00709).

With f convex, f(1) = 0, f*(t) = sup over u > 0 of ut - f(u) its conjugate, D the raw score (higher = more real), g an
increasing map into the domain of f*, x real and z ~ N(0, I), every D gives a lower bound of D_f(p||q) = E_q f(p/q):

    D_f(p||q)  >=  E g(D(x)) - E f*(g(D(G(z)))),     equal when g(D) = f'(p/q)

    discriminator:  min over D  -E g(D(x)) + E f*(g(D(G(z))))
    generator:      min over G  saturating -E f*(g(D(G(z)))) (the game itself), non_saturating -E g(D(G(z)))

Only g and the composed f* o g change; both are written in v = D(.), for f* applied to g loses all digits near the edge
of the domain. The activations "paper" and "log_ratio" (v estimates log p/q for every f, threshold v = 0):

    divergence          f(u)                            paper: g(v), f*(g(v))            log_ratio: g(v), f*(g(v))
    total_variation     |u-1|/2                         tanh(v)/2, tanh(v)/2             the same
    kl                  u log u                         v, e^(v-1)                       1+v, e^v
    reverse_kl          -log u                          -e^-v, v-1                       the same
    pearson             (u-1)^2                         v, v^2/4+v                       2(e^v-1), e^2v-1
    neyman              (1-u)^2/u                       1-e^-v, 2-2e^(-v/2)              1-e^-2v, 2-2e^-v
    squared_hellinger   (sqrt u - 1)^2                  1-e^-v, e^v-1                    1-e^(-v/2), e^(v/2)-1
    jensen_shannon      u log u - (u+1) log((u+1)/2)    log 2 - sp(-v), sp(v) - log 2    the same
    gan                 u log u - (u+1) log(u+1)        -sp(-v), sp(v)                   the same
    jeffrey             (u-1) log u                     v, w+1/w+v-2                     v+1-e^-v, e^v+v-1
    alpha               (u^a-1-a(u-1))/(a(a-1))         as log_ratio                     (e^(av-v)-1)/(a-1), (e^av-1)/a

sp(v) = log(1 + e^v); w solves w + log w = 1 - v. jensen_shannon is twice the usual divergence, gan is it minus log 4.

Our choices: 1. the generator step draws fresh latents; 2. the generator loss is non_saturating but for reverse_kl,
whose saturating form has the constant slope -1 while the other one grows like e^-v on confident fakes; 3. a score
inside an exponential is softly clipped, v -> 20 tanh(v/20), all other terms see v itself; then the logged
`divergence` takes the clipped score in both terms, which is a critic too, so that it stays a lower bound (else it is
minus the loss); 4. chi-square names as in public code, pearson (u-1)^2; its g = v keeps the quadratic below v = -2, an
upper bound of f* with a slope; there the saturating generator loss pushes fakes away.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, descend, mean, two_players
from keras_gans.games import f_divergences
from keras_gans.games.f_divergences import ACTIVATIONS, BOUNDED, CustomDivergence

GENERATOR_LOSSES = ("auto", "non_saturating", "saturating")


@keras.saving.register_keras_serializable("keras_gans")
class FGAN(AdversarialModel):
    """A GAN whose discriminator bounds an f-divergence from below, which the generator makes small.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, 1) raw scores, higher = more real, no sigmoid; best without
            batch norm, with which the bound is not that of a function of one sample.
        latent_dim: Integer, length of a latent vector.
        divergence: `"jensen_shannon"` (default, also `"js"`), `"total_variation"` (`"tv"`), `"kl"`, `"reverse_kl"`
            (`"rkl"`), `"pearson"`, `"neyman"`, `"squared_hellinger"` (`"hellinger"`), `"gan"`, `"jeffrey"`,
            `"alpha"`, or a `CustomDivergence`, which has its own activation. On disjoint supports kl, reverse_kl,
            pearson, neyman and jeffrey are unbounded: use a penalty or spectral normalisation.
        activation: `"paper"` (default) or `"log_ratio"`, with which the score estimates log p/q.
        generator_loss: `"auto"` (default): saturating for reverse_kl, else non_saturating; or one of these two.
        score_clip: Size to which a score inside an exponential is softly clipped, default 20; None: not at all.
        alpha: Number other than 0 and 1, for `divergence="alpha"` only, default 0.5.
        critic_steps: Discriminator steps per generator step, default 1.
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss; default none.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, through which the discriminator sees all images
            in training, real and generated; default None.
        num_classes: 0, or the number of classes of a conditional model.

    Logs: `divergence` is the lower bound in nats in the scale of the module's table; `real_accuracy` and
    `fake_accuracy` count the images on the right side of the threshold g(v) = f'(1).

    Raises:
        ValueError, TypeError: For an unknown divergence, activation or loss (the nearest is suggested), an alpha
            that is not used, or networks of the wrong shapes.

    Example:
        >>> model = keras_gans.create("f_gan", image_shape=(32, 32, 3), divergence="squared_hellinger")
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)

    Reference: Nowozin, Cseke, Tomioka, 2016, arXiv:1606.00709. Default optimisers: its Adam, learning rate 2e-4, betas
    (0.5, 0.999).
    """

    logs = ("discriminator_loss", "generator_loss", "divergence", "real_accuracy", "fake_accuracy")

    def __init__(
        self,
        generator,
        discriminator,
        latent_dim,
        divergence="jensen_shannon",
        activation="paper",
        generator_loss="auto",
        score_clip=20.0,
        alpha=None,
        **kwargs,
    ):
        self.divergence = f_divergences.known_divergence(divergence)
        self.activation = checks.one_of("activation", activation, ACTIVATIONS)
        self.generator_loss_name = checks.one_of("generator_loss", generator_loss, GENERATOR_LOSSES)
        self.score_clip = None if score_clip is None else checks.number("score_clip", score_clip, above=0)
        if alpha is not None and self.divergence != "alpha":
            raise ValueError(f'`alpha` is used by divergence="alpha" only. {checks.received(divergence=divergence)}')
        self.alpha = None if self.divergence != "alpha" else checks.number("alpha", 0.5 if alpha is None else alpha)
        if self.alpha in (0.0, 1.0):
            raise ValueError(
                f'`alpha` must not be 0 or 1, whose limits are divergence="reverse_kl" and "kl". '
                f"{checks.received(alpha=alpha)}"
            )
        super().__init__(generator, discriminator, latent_dim, **kwargs)

    @property
    def forms(self):
        """The `Forms` of the divergence."""
        return f_divergences.forms_of(self.divergence, self.activation, self.alpha)

    @property
    def saturating(self):
        """Whether the generator's loss is the saturating one."""
        automatic = "saturating" if self.divergence == "reverse_kl" else "non_saturating"
        return (automatic if self.generator_loss_name == "auto" else self.generator_loss_name) == "saturating"

    def clipped(self, scores):
        """Returns the scores as they stand inside exponentials, so that no exponent exceeds 2 `score_clip`."""
        return f_divergences.clipped(self.forms, scores, self.score_clip, self.alpha)

    def variational(self, scores):
        """Returns g(v), the variational variable, for scores of any shape."""
        return self.forms.activation(scores, self.clipped(scores))

    def conjugate(self, scores):
        """Returns f*(g(v)) for scores of any shape."""
        return self.forms.conjugate(scores, self.clipped(scores))

    def discriminator_loss(self, real_scores, fake_scores):
        """Returns the scalar loss of the discriminator, minus the bound, from scores (n, 1)."""
        return mean(self.conjugate(fake_scores)) - mean(self.variational(real_scores))

    def generator_loss(self, fake_scores):
        """Returns the scalar loss of the generator."""
        if self.saturating:
            return -mean(self.conjugate(fake_scores))
        return -mean(self.variational(fake_scores))

    def observe(self, real_scores, fake_scores):
        """Returns what is logged: the lower bound of the divergence and the accuracies."""
        forms, real, fake = self.forms, self.clipped(real_scores), self.clipped(fake_scores)
        bound = mean(forms.activation(real, real)) - mean(forms.conjugate(fake, fake)) + forms.offset
        return {
            "divergence": bound,
            "real_accuracy": mean(ops.cast(self.variational(real_scores) > forms.threshold, "float32")),
            "fake_accuracy": mean(ops.cast(self.variational(fake_scores) < forms.threshold, "float32")),
        }

    def critic_terms(self, real_scores, fake_scores, reals, fakes, latents):
        return self.discriminator_loss(real_scores, fake_scores), self.observe(real_scores, fake_scores)

    def generator_terms(self, real_scores, fake_scores, latents):
        return self.generator_loss(fake_scores), {}

    def train_step(self, data):
        for reals, labels in self.critic_batches(data):
            latents = self.sample_latents(ops.shape(reals)[0])
            fakes = ops.stop_gradient(self.fake(latents, labels))
            d_loss, observed = descend(self.critic_objective, self, "discriminator", reals, fakes, latents, labels)

        latents = self.sample_latents(ops.shape(reals)[0])
        g_loss, more = descend(self.generator_objective, self, "generator", reals, latents, labels)
        return self.report(discriminator_loss=d_loss, generator_loss=g_loss, **observed, **more)

    def gradient_ratio(self):
        if self.saturating or self.divergence == "total_variation":
            return "constant"
        if isinstance(self.divergence, CustomDivergence) or (self.divergence, self.activation) == ("pearson", "paper"):
            return None  # slopes that may be anything, or cross 0
        return "per_sample"

    def default_optimizers(self):
        return {player: keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.999) for player in self.players}

    @classmethod
    def blueprint(cls, latent_dim, divergence="jensen_shannon", penalties=(), **knobs):
        """Batch norm for bounded divergences, spectral for the others, none with penalties."""
        del knobs
        bounded = f_divergences.known_divergence(divergence) in BOUNDED
        return two_players(latent_dim, normalization=None if penalties else "batch" if bounded else "spectral")

    def get_config(self):
        custom = isinstance(self.divergence, CustomDivergence)
        return {
            **super().get_config(),
            "divergence": keras.saving.serialize_keras_object(self.divergence) if custom else self.divergence,
            "activation": self.activation,
            "generator_loss": self.generator_loss_name,
            "score_clip": self.score_clip,
            "alpha": self.alpha,
        }
