"""The sides of scripts/bench/training.py that run in PyTorch: steps by hand, and those of other packages."""

import importlib
import os
import sys
import time
from unittest import mock

LATENT_DIM, SIZE = 128, 32
BETAS = {"dcgan": (0.5, 0.999), "sngan": (0.0, 0.9), "r3gan": (0.0, 0.99)}
# What the packages import for data, logs and pictures; their networks and steps need none of it.
UNUSED = ("skimage", "tensorboardX", "visdom", "tensorflow", "torch.utils.tensorboard", "torchvision")
UNUSED += tuple(f"torchvision.{part}" for part in ("utils", "transforms", "datasets", "datasets.utils"))


class Torch:
    """The step in PyTorch, by hand or by another package."""

    def __init__(self, arguments, side):
        import torch

        self.torch, self.device, self.side, self.network = torch, arguments.device, side, arguments.network
        self.rows, self.steps = arguments.batch_size, arguments.steps
        torch.manual_seed(0)
        if side == "torchgan":
            self.generator, self.discriminator = self._torchgan(arguments)
        elif side == "mimicry":
            self.generator, self.discriminator = self._mimicry(arguments)
        else:
            make = _resnet if arguments.network == "sngan" else _dcgan
            self.generator, self.discriminator = make(torch.nn, arguments.width, arguments.network == "r3gan")
        memory = torch.channels_last if side in ("channels_last", "compiled") else torch.contiguous_format
        for network in self.players():
            network.to(self.device, memory_format=memory)
        fast = {"fused": True} if side in ("channels_last", "compiled") else {}
        betas = BETAS[arguments.network]
        self.optimizers = [torch.optim.Adam(each.parameters(), 2e-4, betas, **fast) for each in self.players()]
        batches = torch.randn(self.steps, self.rows, 3, SIZE, SIZE).clamp(-1, 1)
        self.batches = [batch.to(self.device, memory_format=memory) for batch in batches]
        self.precision, self.operations = "float32", None
        self.losses = _losses(torch, arguments.network)
        if side == "compiled":
            self.generator, self.discriminator = torch.compile(self.generator), torch.compile(self.discriminator)

    def players(self):
        return [self.generator, self.discriminator]

    def parameters(self):
        return [sum(each.numel() for each in player.parameters()) for player in self.players()]

    def _torchgan(self, arguments):
        losses, models = _imported(arguments.torchgan, "torchgan.losses", "torchgan.models")
        generator = models.DCGANGenerator(encoding_dims=LATENT_DIM, out_size=SIZE, step_channels=arguments.width)
        discriminator = models.DCGANDiscriminator(in_size=SIZE, step_channels=arguments.width)
        self.critic_loss, self.generator_loss = losses.MinimaxDiscriminatorLoss(), losses.MinimaxGeneratorLoss()
        return generator, discriminator

    def _mimicry(self, arguments):
        (nets,) = _imported(arguments.mimicry, "torch_mimicry.nets.sngan.sngan_32")
        width = arguments.width
        return nets.SNGANGenerator32(nz=LATENT_DIM, ngf=4 * width), nets.SNGANDiscriminator32(ndf=2 * width)

    def turn(self):
        begun = time.perf_counter()
        for reals in self.batches:
            loss = getattr(self, self.side, self.by_hand)(reals)
        float(loss)  # waits for the device
        return time.perf_counter() - begun

    def torchgan(self, reals):
        networks = self.players()
        self.critic_loss.train_ops(*networks, self.optimizers[1], reals, self.device)
        return self.generator_loss.train_ops(*networks, self.optimizers[0], self.device, len(reals))

    def mimicry(self, reals):
        log = mock.Mock()
        batch = (reals, None)
        self.discriminator.train_step(batch, self.generator, self.optimizers[1], log, self.device)
        self.generator.train_step(batch, self.discriminator, self.optimizers[0], log, self.device)
        return 0.0

    def by_hand(self, reals):
        torch, (g_optimizer, d_optimizer) = self.torch, self.optimizers
        critic_loss, generator_loss = self.losses
        latents = torch.randn(len(reals), LATENT_DIM, device=self.device)
        with torch.no_grad():
            fakes = self.generator(latents)
        d_optimizer.zero_grad()
        penalized = self.network == "r3gan"
        real_images, fake_images = (each.detach().requires_grad_(penalized) for each in (reals, fakes))
        real_scores, fake_scores = self.discriminator(real_images), self.discriminator(fake_images)
        loss = critic_loss(real_scores, fake_scores)
        if penalized:  # gamma/2 (R1 + R2)
            for images, scores in ((real_images, real_scores), (fake_images, fake_scores)):
                (gradient,) = torch.autograd.grad(scores.sum(), images, create_graph=True)
                loss = loss + 0.5 * gradient.square().sum((1, 2, 3)).mean()
        loss.backward()
        d_optimizer.step()
        g_optimizer.zero_grad()
        self.discriminator.requires_grad_(self.side == "pytorch")  # the eager step as most write it computes them
        latents = torch.randn(len(reals), LATENT_DIM, device=self.device)
        fake_scores = self.discriminator(self.generator(latents))
        with torch.no_grad():
            real_scores = self.discriminator(reals) if penalized else None
        loss = generator_loss(real_scores, fake_scores)
        loss.backward()
        g_optimizer.step()
        self.discriminator.requires_grad_(True)
        return loss.detach()


def _losses(torch, network):
    softplus, relu = torch.nn.functional.softplus, torch.nn.functional.relu
    return {
        "dcgan": (lambda r, f: (softplus(-r) + softplus(f)).mean(), lambda r, f: softplus(-f).mean()),
        "sngan": (lambda r, f: (relu(1 - r) + relu(1 + f)).mean(), lambda r, f: -f.mean()),
        "r3gan": (lambda r, f: softplus(f - r).mean(), lambda r, f: softplus(r - f).mean()),
    }[network]


def _dcgan(nn, width, plain):
    """Returns a DCGAN; `plain` is without normalisation in the discriminator."""

    def up(before, after):
        return [nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU(True)]

    def down(before, after):
        norm = [] if plain else [nn.BatchNorm2d(after)]
        return [nn.Conv2d(before, after, 4, 2, 1, bias=plain), *norm, nn.LeakyReLU(0.2)]

    generator = nn.Sequential(
        nn.Unflatten(1, (LATENT_DIM, 1, 1)),
        *(nn.ConvTranspose2d(LATENT_DIM, 4 * width, 4, bias=False), nn.BatchNorm2d(4 * width), nn.ReLU(True)),
        *(*up(4 * width, 2 * width), *up(2 * width, width)),
        *(nn.ConvTranspose2d(width, 3, 4, 2, 1), nn.Tanh()),
    )
    discriminator = nn.Sequential(
        *(nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)),
        *(*down(width, 2 * width), *down(2 * width, 4 * width)),
        *(nn.Conv2d(4 * width, 1, 4, bias=False), nn.Flatten()),
    )
    return generator, discriminator


def _resnet(nn, width, plain):
    """Returns the residual networks of SNGAN for 32x32."""
    del plain
    spectral = nn.utils.parametrizations.spectral_norm

    class Up(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.shortcut = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, channels, 1))
            self.main = nn.Sequential(
                *(nn.BatchNorm2d(channels), nn.ReLU(True), nn.Upsample(scale_factor=2)),
                *(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(True)),
                nn.Conv2d(channels, channels, 3, padding=1),
            )

        def forward(self, x):
            return self.shortcut(x) + self.main(x)

    class Down(nn.Module):
        def __init__(self, before, after, first=False, pool=True):
            super().__init__()
            conv = [spectral(nn.Conv2d(a, after, 3, padding=1)) for a in (before, after)]
            pooled = [nn.AvgPool2d(2)] if pool else []
            self.main = nn.Sequential(*([] if first else [nn.ReLU()]), conv[0], nn.ReLU(), conv[1], *pooled)
            self.shortcut = nn.Identity()
            if pool:
                one = spectral(nn.Conv2d(before, after, 1))
                self.shortcut = nn.Sequential(*([*pooled, one] if first else [one, *pooled]))

        def forward(self, x):
            return self.shortcut(x) + self.main(x)

    class Sum(nn.Module):
        def forward(self, x):
            return x.sum((2, 3))

    g, d = 4 * width, 2 * width
    generator = nn.Sequential(
        *(nn.Linear(LATENT_DIM, 16 * g), nn.Unflatten(1, (g, 4, 4)), Up(g), Up(g), Up(g)),
        *(nn.BatchNorm2d(g), nn.ReLU(True), nn.Conv2d(g, 3, 3, padding=1), nn.Tanh()),
    )
    blocks = [Down(3, d, first=True), Down(d, d), Down(d, d, pool=False), Down(d, d, pool=False)]
    return generator, nn.Sequential(*blocks, nn.ReLU(), Sum(), spectral(nn.Linear(d, 1)))


def _imported(folder, *names):
    """Returns modules of a checkout, or as installed. What they import for logs and pictures alone may be missing."""
    if folder:
        sys.path.insert(0, os.path.abspath(folder))
    for name in UNUSED:
        try:
            importlib.import_module(name)
        except Exception:
            sys.modules[name] = mock.MagicMock(__spec__=importlib.machinery.ModuleSpec(name, None))
    return [importlib.import_module(name) for name in names]
