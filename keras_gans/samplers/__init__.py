"""Where latents come from: noise with the spectrum of the data. Functions of arrays and tensors, no network."""
