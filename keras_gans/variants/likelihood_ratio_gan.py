"""Likelihood-ratio GANs (Moustakides and Basioti, 2020, arXiv:2002.00865): a game from omega and rho.

With r = q/p the density ratio fake over real, omega increasing, rho > 0, and t the variable of the paper (high = fake),
which the raw score s = D(.) (high = real) gives by a decreasing bridge into the range of omega:

    range of omega    (-inf, inf) "real"    (0, inf) "positive"    (0, 1) "unit"    (a, b)
    t(s)              -s                    e^-s                   sigmoid(-s)      a + b - s

    psi' = rho,  phi' = -omega^-1 rho
    discriminator:  min over D  -E phi(t(D(x))) - E psi(t(D(G(z)))),     best at t = omega(r)
    generator:      min over G  E beta(t(D(G(z))))

log p/q is read out of the score as -log omega^-1(t(s)). The members, sp(v) = log(1 + e^v) and sig its slope:

         omega       rho        -phi(t(s)) on reals                -psi(t(s)) on fakes
    A1   r           1          e^-2s / 2                          1 - e^-s
    A2   r           1/t        e^-s                               s
    A3   r           1/(1+t)    e^-s - sp(-s)                      log 2 - sp(-s)
    power  r         t^(c-1)    e^(-(c+1)s) / (c+1)                (1 - e^-cs) / c            c = gamma, not 0 or -1
    B1   log r       sig(-t)    sp(-s)                             sp(s) - log 2              the GAN of 2014
    B2   log(r)/2    e^-t       e^-s                               e^s - 1                    Hellinger
    B3   log r       e^-t       -s                                 e^s - 1                    KL(p||q)
    B4   log r       1          e^-s                               s                          KL(q||p), as A2
    C1   r/(1+r)     1/t        as B1                              as B1
    C2   (a+br)/(1+r)  2(b-t)   (s-b)^2                            (s-a)^2 - ((b-a)/2)^2      least squares
    C3   r/(1+r)     1          sp(-s) - sig(-s)                   1/2 - sig(-s)
    D1   sign log r  (limit)    -tanh s                            tanh s                     total variation
    D2   sign log r  (limit)    max(0, 1-s)                        max(0, 1+s)                hinge

Generator losses (beta): saturating psi; linear -s; non_saturating sp(-s); exp e^-s; least_squares (s-b)^2 for C2; hinge
-s for D2. D is fixed while G moves, so that what matters is that beta(omega(r)) never decreases: the convexity of the
divergence that a pair of losses spells, which is all that is sometimes asked, admits losses that drive fakes away.

Our choices: 1. every step draws fresh latents; 2. a score inside an exponential is softly clipped, s -> 20 tanh(s/20)
(10 where e^-2s occurs), other terms see s itself, but for A3, whose slope on reals would change sign; 3. the target of
C2's generator is the real label b: with the midpoint, as in the coding (-1, 1, 0), the generator converges to a wrong
law when D is exact; 4. the constants of the table stay, so that `game_value` is that of the table.
"""

import keras
from keras import ops

from keras_gans import checks
from keras_gans.engine import AdversarialModel, descend, mean, two_players
from keras_gans.games.likelihood_ratios import Member, generator_losses, get_member
from keras_gans.games.verification import verify

GENERATOR_LOSSES = ("auto", "non_saturating", "saturating", "linear", "exp", "least_squares", "hinge", "beta")


@keras.saving.register_keras_serializable("keras_gans")
class LikelihoodRatioGAN(AdversarialModel):
    """A GAN whose discriminator estimates a chosen function omega of the likelihood ratio.

    Args:
        generator: `keras.Model`, latents (n, latent_dim) -> images (n, h, w, c) in [-1, 1].
        discriminator: `keras.Model`, images -> (n, 1) raw scores, higher = more real, no sigmoid.
        latent_dim: Integer, length of a latent vector.
        member: `"B1"` (default, also `"sgan"`), `"A1"` (`"mean_square"`), `"A2"`, `"A3"`, `"power"`, `"B2"`
            (`"exponential"`), `"B3"`, `"B4"`, `"C1"` (`"cross_entropy"`), `"C2"` (`"least_squares"`, `"lsgan"`),
            `"C3"`, `"D1"` (`"total_variation"`), `"D2"` (`"hinge"`), or a `Member`, which is verified.
        generator_loss: `"non_saturating"`, `"saturating"` (not D2), `"linear"`, `"exp"`, `"least_squares"` (C2 only),
            `"hinge"` (D2 only) or `"beta"` (a Member with beta). Default `"auto"`: beta where there is one,
            least_squares for C2, saturating for D1, hinge for D2, else non_saturating.
        gamma: For `member="power"`: number other than 0 and -1, default 0.5.
        targets: For `member="C2"`: labels (fake, real), default (0, 1).
        score_clip: Size to which a score inside an exponential is softly clipped, default 20 (halved for A1); None:
            not at all. Integrated members see the clipped score everywhere.
        critic_steps: Discriminator steps per generator step, default 1.
        penalties: List of `keras_gans.penalties`, added to the discriminator's loss; default none.
        augmentation: Layer such as `keras_gans.layers.DiffAugment`, through which the discriminator sees all images
            in training, real and generated; default None.
        num_classes: 0, or the number of classes of a conditional model.

    Logs: `game_value` is minus the discriminator's loss, an estimate of E_p d(q/p); `log_ratio_real` and
    `log_ratio_fake` are mean estimates of log p/q in nats (not for the limits D1 and D2).

    Raises:
        ValueError, TypeError: For an unknown or invalid member, a loss that the member does not have, or networks of
            the wrong shapes.

    Example:
        >>> model = keras_gans.create("likelihood_ratio_gan", image_shape=(32, 32, 3), member="C3")
        >>> model.compile()
        >>> model.fit(images, batch_size=64, epochs=20)

    Reference: Moustakides and Basioti, 2020, arXiv:2002.00865. Default optimisers: Adam, learning rate 2e-4, betas
    (0.5, 0.999); 1e-4 for the discriminator of a member with exponentials.
    """

    logs = ("discriminator_loss", "generator_loss", "game_value", "log_ratio_real", "log_ratio_fake")

    def __init__(
        self,
        generator,
        discriminator,
        latent_dim,
        member="B1",
        generator_loss="auto",
        gamma=None,
        targets=None,
        score_clip=20.0,
        **kwargs,
    ):
        self.member = get_member(member, gamma, targets)
        if isinstance(member, Member):
            verify(member)
        self.gamma, self.targets = gamma, None if targets is None else tuple(targets)
        checks.one_of("generator_loss", generator_loss, GENERATOR_LOSSES)
        offered = generator_losses(self.member)
        if generator_loss != "auto" and generator_loss not in offered:
            raise ValueError(
                f"`generator_loss` of the member {self.member.name!r} must be one of {', '.join(map(repr, offered))}. "
                f"{checks.received(generator_loss=generator_loss)}"
            )
        self.generator_loss_option = generator_loss
        self.generator_loss_name = offered[0] if generator_loss == "auto" else generator_loss
        self.score_clip = None if score_clip is None else checks.number("score_clip", score_clip, above=0)
        super().__init__(generator, discriminator, latent_dim, **kwargs)

    def all_logs(self):
        logs = super().all_logs()
        return tuple(log for log in logs if not (self.member.limit and log.startswith("log_ratio")))

    def clipped(self, scores):
        """Returns the scores as they stand inside exponentials."""
        return self.member.soft_clip(scores, self.score_clip)

    def log_ratio(self, scores):
        """Returns the estimates of log p/q (real over fake, nats) that scores of any shape stand for."""
        if self.member.limit:
            raise ValueError(f"The member {self.member.name!r} is a limit: its scores estimate no log ratio.")
        return self.member.log_ratio(scores, self.clipped(scores))

    def discriminator_loss(self, real_scores, fake_scores):
        """Returns the scalar loss of the discriminator from scores (n, 1)."""
        on_reals = mean(self.member.on_reals(real_scores, self.clipped(real_scores)))
        return -on_reals - mean(self.member.on_fakes(fake_scores, self.clipped(fake_scores)))

    def generator_loss(self, fake_scores):
        """Returns the scalar loss of the generator, E beta(t(s))."""
        if self.generator_loss_name == "saturating":
            return mean(self.member.on_fakes(fake_scores, self.clipped(fake_scores)))
        if self.generator_loss_name == "non_saturating":
            return mean(ops.softplus(-fake_scores))
        if self.generator_loss_name == "exp":
            return mean(ops.exp(-self.clipped(fake_scores)))
        if self.generator_loss_name == "least_squares":
            return mean(ops.square(fake_scores - self.member.domain[1]))
        if self.generator_loss_name == "beta":
            return mean(self.member.beta(self.member.bridge(self.clipped(fake_scores))))
        return -mean(fake_scores)  # linear, hinge

    def observe(self, loss, real_scores, fake_scores):
        """Returns what is logged: the value of the game and the mean log ratios."""
        observed = {"game_value": -loss}
        if not self.member.limit:
            observed["log_ratio_real"] = mean(self.log_ratio(real_scores))
            observed["log_ratio_fake"] = mean(self.log_ratio(fake_scores))
        return observed

    def critic_terms(self, real_scores, fake_scores, reals, fakes, latents):
        loss = self.discriminator_loss(real_scores, fake_scores)
        return loss, self.observe(loss, real_scores, fake_scores)

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
        if self.generator_loss_name == "saturating":
            return "constant"
        if self.member.builtin in (None, "C2", "D2"):
            return None  # slopes that may be anything, or are 0
        return "per_sample"

    def default_optimizers(self):
        rates = {"discriminator": 1e-4 if self.member.exponent else 2e-4, "generator": 2e-4}
        return {player: keras.optimizers.Adam(rates[player], beta_1=0.5, beta_2=0.999) for player in self.players}

    @classmethod
    def blueprint(cls, latent_dim, member="B1", gamma=None, targets=None, penalties=(), **knobs):
        """Spectral normalisation for hinge and where a score is exponentiated, else batch norm; none with penalties."""
        del knobs
        member = get_member(member, gamma, targets)
        usual = "spectral" if member.exponent or member.builtin == "D2" else "batch"
        return two_players(latent_dim, normalization=None if penalties else usual)

    def get_config(self):
        return {
            **super().get_config(),
            "member": self.member.builtin or keras.saving.serialize_keras_object(self.member),
            "gamma": self.gamma,
            "targets": self.targets,
            "generator_loss": self.generator_loss_option,
            "score_clip": self.score_clip,
        }
