"""A model of one network that may train by implicit maximum likelihood: every real draws its nearest fake to itself.

The nearest candidate of an image is that of Li and Malik, 2018, arXiv:1809.09087, over the candidates of one step.
"""

from keras import ops

from keras_gans import checks
from keras_gans.engine.gradients import descend, mean

MODES = ("adversarial", "imle")
OUT_OF_REACH = 1e30  # squared distance of a candidate that is left out


def nearest(images, fakes, epsilon=0.0):
    """Returns for every image the index of the fake nearest to it, and whether there was one to take.

    Args:
        images: Tensor (n, ...).
        fakes: Tensor (m, ...), the candidates.
        epsilon: Candidates with a root mean squared difference per pixel below this from an image, whichever, are left
            out (RS-IMLE, Vashist et al., 2024, arXiv:2409.17439).

    Returns:
        `(indices, weight, share)`: int32 (n,); a scalar that is 0 where all candidates are left out, else 1; and how
        many of the images have a candidate that no other image has before them, per image.
    """
    count, size = ops.shape(fakes)[0], 1
    for side in images.shape[1:]:
        size *= side
    wanted, found = (ops.reshape(ops.cast(each, "float32"), (-1, size)) for each in (images, fakes))
    centre = ops.mean(wanted, axis=0)  # squares of large norms would cancel
    wanted, found = wanted - centre, found - centre
    squares = ops.sum(ops.square(wanted), axis=1)[:, None] + ops.sum(ops.square(found), axis=1)[None]
    squares = (squares - 2.0 * ops.matmul(wanted, ops.transpose(found))) / size  # (n, m)
    allowed = ops.min(squares, axis=0) >= epsilon**2 if epsilon else ops.ones((count,), "bool")
    indices = ops.argmin(ops.where(allowed[None], squares, OUT_OF_REACH), axis=1)
    taken = ops.max(ops.one_hot(indices, count), axis=0)
    share = ops.sum(taken) / ops.cast(ops.shape(wanted)[0], "float32")
    return indices, ops.cast(ops.any(allowed), "float32"), share


class Implicit:
    """The part of an idempotent network that trains without a game where `mode` is `"imle"`.

    A variant defines `mapped(images, training)` and `distances(first, second)`, has the weights of the two terms that
    both modes share, and takes an `imle_step` in that mode.
    """

    def __init__(self, mode="adversarial", generation_weight=20.0, pool=8, epsilon=0.0, **kwargs):
        self.mode = checks.one_of("mode", mode, MODES)
        super().__init__(**kwargs)
        self.generation_weight = checks.number("generation_weight", generation_weight, minimum=0)
        self.pool, self.epsilon = checks.positive_integer("pool", pool), checks.number("epsilon", epsilon, minimum=0)

    def all_logs(self):
        if self.mode == "imle":
            return ("network_loss", "reconstruction", "generation", "idempotence", "matched")
        return super().all_logs()

    def imle_objective(self, images, latents, training=True):
        """Returns `(loss, {"reconstruction": ..., ...})` of images (n, ...) and the noise of n candidates or more."""
        candidates = ops.stop_gradient(self.mapped(latents, training=False))
        indices, weight, matched = nearest(images, candidates, self.epsilon)
        fakes = self.mapped(ops.take(latents, indices, axis=0), training)
        reconstruction, drift = mean(self.distances(self.mapped(images, training), images)), ops.zeros(())
        if self.idempotence_weight:
            fresh = self.mapped(latents[: ops.shape(images)[0]], training)
            drift = mean(self.distances(self.mapped(ops.stop_gradient(fresh), training), fresh))
        generation = weight * mean(self.distances(fakes, images))
        terms = {"reconstruction": reconstruction, "generation": generation, "idempotence": drift}
        loss = sum(getattr(self, f"{term}_weight") * value for term, value in terms.items())
        return loss, {**terms, "matched": matched}

    def imle_step(self, data):
        """Takes one step on a batch, whose reals are matched with `pool` fresh candidates each."""
        images, _ = self.batch(data)
        latents = self.sample_latents(self.pool * ops.shape(images)[0])
        loss, observed = descend(self.imle_objective, self, "network", images, latents)
        return self.report(network_loss=loss, **observed)

    def observed_losses(self, images, labels, latents):
        loss, observed = self.imle_objective(images, latents, training=False)
        return {"network_loss": loss, **observed}

    def get_config(self):
        own = {name: getattr(self, name) for name in ("mode", "generation_weight", "pool", "epsilon")}
        return {**super().get_config(), **own}
