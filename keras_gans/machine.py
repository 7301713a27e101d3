"""What this machine computes fast: oneDNN for TensorFlow, and bfloat16 only where it is native.

Both are decided here, from the processor and the accelerator, so that no recipe has to know the machine:

    oneDNN      TensorFlow's fast kernels for CPUs. TensorFlow leaves them off on x86 processors without the newest
                instructions (AVX-512 VNNI, AMX, ...), where they are worth as much. The switch is the environment
                variable TF_ENABLE_ONEDNN_OPTS, which acts only before TensorFlow is imported: `prepare` sets it when
                `keras_gans` is imported first. A value that the user set is left alone.
    bfloat16    halves the time where the hardware multiplies it: x86 processors with AMX or AVX512_BF16 (TensorFlow and
                PyTorch; JAX computes in float32 on a CPU), GPUs of compute capability 8.0 or more, TPUs. Elsewhere it
                is emulated, several times slower than float32.

docs/performance.md has the measurements. This module imports neither Keras nor a backend.
"""

import functools
import logging
import os
import platform
import sys

ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
NATIVE_CAPABILITY = (8, 0)  # Ampere: the first NVIDIA GPUs with bfloat16 matrix products
_said: set[str] = set()


def prepare():
    """Turns oneDNN on for a TensorFlow that is yet to be imported, on x86 processors; else does nothing."""
    if "tensorflow" not in sys.modules and _is_x86():
        os.environ.setdefault(ONEDNN, "1")


def tell_if_slow(onednn):
    """Says once, in one line, that TensorFlow was imported with oneDNN off, what to set and what it costs.

    Args:
        onednn: Whether the imported TensorFlow has its oneDNN kernels on.
    """
    asked = os.environ.get(ONEDNN)
    if onednn or asked == "0" or not _is_x86():
        return
    reason = "TensorFlow was imported before keras_gans, with its oneDNN kernels off"
    if asked:
        reason = f"{ONEDNN}={asked} was set after TensorFlow had been imported, too late to act"
    say_once(
        f"{reason}: training takes 2 to 5 times as long. Import keras_gans first, or set {ONEDNN}=1 in the "
        "environment (0 to keep it off without this line)."
    )


def say_once(sentence):
    """Logs a warning of the package, the first time it is said in this process."""
    if sentence not in _said:
        _said.add(sentence)
        logging.getLogger("keras_gans").warning("%s", sentence)


def precision(asked, backend, accelerator):
    """Returns the Keras dtype policy of a precision that may be `"auto"`.

    Args:
        asked: One of `PRECISIONS`.
        backend: Name of the Keras backend.
        accelerator: `(kind, capability)`: `("cpu", None)`, `("gpu", (major, minor))` or `("tpu", None)`.
    """
    if asked != "auto":
        return asked
    return "mixed_bfloat16" if is_bfloat16_native(backend, accelerator) else "float32"


def is_bfloat16_native(backend, accelerator):
    """Returns whether bfloat16 products are computed by the hardware; see `precision` for the arguments."""
    kind, capability = accelerator
    if kind == "cpu":
        return backend in ("tensorflow", "torch") and bool({"amx_bf16", "avx512_bf16"} & cpu_flags())
    return kind == "tpu" or (capability is not None and tuple(capability) >= NATIVE_CAPABILITY)


def warn_if_emulated(policy, backend, accelerator):
    """Warns once, with the measured factor, of a bfloat16 policy that this machine emulates."""
    if policy == "mixed_bfloat16" and not is_bfloat16_native(backend, accelerator):
        say_once(
            f"precision={policy!r} was asked for, and this machine has no bfloat16 products: they are emulated, 5 to "
            "14 times slower than float32 where it was measured. precision='auto' takes float32 here."
        )


@functools.cache
def cpu_flags():
    """Returns the feature names of the processor as Linux reports them; empty where they cannot be read."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = [line for line in file if line.startswith(("flags", "Features"))]
    except OSError:
        return frozenset()
    return frozenset(lines[0].partition(":")[2].split()) if lines else frozenset()


def _is_x86():
    return platform.machine().lower() in ("x86_64", "amd64", "i686")
