"""Keras layers with weights or state that the networks of the package are built from."""

from keras_gans.layers.actnorm import ActNorm
from keras_gans.layers.batch_normalization import BatchNormalization
from keras_gans.layers.cascading_rejection import CascadingRejection
from keras_gans.layers.conditional import ConditionalBatchNormalization, LabelProjection, LabelScaling
from keras_gans.layers.diff_augment import DiffAugment
from keras_gans.layers.fir_resampling import FIRDownsampling2D, FIRUpsampling2D
from keras_gans.layers.gradient_normalization import GradientNormalized
from keras_gans.layers.grouped_convolution import GroupedConv2D
from keras_gans.layers.learned_basis import LearnedBasis
from keras_gans.layers.lipschitz import LipschitzConv2D, LipschitzDense
from keras_gans.layers.minibatch_std import MinibatchStandardDeviation
from keras_gans.layers.pooling import GlobalSumPooling2D
from keras_gans.layers.rearranging import Flattened, Split, Squeeze
from keras_gans.layers.residual_flow import Flow, InvertibleBlock
from keras_gans.layers.self_attention import SelfAttention
from keras_gans.layers.self_modulation import LabelledLatents, SelfModulatedBatchNormalization
from keras_gans.layers.spectral_normalization import SpectralNormalization

__all__ = [
    "ActNorm",
    "BatchNormalization",
    "CascadingRejection",
    "ConditionalBatchNormalization",
    "DiffAugment",
    "FIRDownsampling2D",
    "FIRUpsampling2D",
    "Flattened",
    "Flow",
    "GlobalSumPooling2D",
    "GradientNormalized",
    "GroupedConv2D",
    "InvertibleBlock",
    "LabelProjection",
    "LabelScaling",
    "LabelledLatents",
    "LearnedBasis",
    "LipschitzConv2D",
    "LipschitzDense",
    "MinibatchStandardDeviation",
    "SelfAttention",
    "SelfModulatedBatchNormalization",
    "SpectralNormalization",
    "Split",
    "Squeeze",
]
