"""Run folders: a recipe becomes a trained model, and can be stopped and resumed at any epoch.

A run folder holds

    config.json       the recipe, what it resolved to, the digest of the data, versions
    logs.csv          the logs of every epoch
    checkpoints/      latest.weights.h5, from which the run resumes; written after every epoch and every ten minutes;
                      and a copy of config.json
    reals.png         training images as the model sees them
    samples/          the same latents after every epoch, and training.gif
    reconstructions/  the same images beside their reconstructions (models with an encoder)
    tensorboard/      on TensorFlow with tensorboard installed
    model.keras       the trained model, with its moving average
    previous.keras    after --restart, until there is another, the model before it
    .lock             while a process trains there, its number

The modules are `folder` (what lies there), `settings` (what a run records), `plan` (what it says before it begins),
`training`, `loading` (models and data by name), `drawing` (which images of a set), `progress`, `evaluation`,
`interpolation` and `reconstruction`. Commands and scripts use them; they know no command. All but `folder` and
`drawing` import Keras, which the command line loads first and quietly.
"""
