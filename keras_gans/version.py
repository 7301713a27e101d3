"""The version of the package, in one place: `setup.cfg` reads it, run folders and presets record it."""

__version__ = "0.1.0"
