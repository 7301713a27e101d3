"""Losses and divergences as pure functions of scores: no network, no randomness.

What one variant alone uses stands in its file; here is what several share, and the tables of the two factories.
"""
