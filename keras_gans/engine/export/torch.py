"""Exported models on PyTorch: a program of `torch.export`, an ONNX file; and the running of the first."""

import io
import json
import logging
import warnings

import numpy as np
import torch

FACTS = "keras_gans.json"
MOST_ROWS = 2**20


class _Module(torch.nn.Module):
    """A program with its weights, as they are stored, as buffers."""

    def __init__(self, program):
        super().__init__()
        self.count, self.program = len(program.stored), program
        for place, stored in enumerate(program.stored):
            self.register_buffer(f"weight_{place}", torch.from_numpy(np.array(stored.values)))
            if stored.scale is not None:
                self.register_buffer(f"scale_{place}", torch.from_numpy(stored.scale))

    def forward(self, first, labels=None):
        values = []
        for place, stored in enumerate(self.program.stored):
            value = getattr(self, f"weight_{place}")
            value = value.to(torch.float32) if stored.values.dtype == np.float16 or stored.scale is not None else value
            values.append(value if stored.scale is None else value * getattr(self, f"scale_{place}"))
        return self.program.function(values, *([first] if labels is None else [first, labels]))


def exported(program):
    """Returns a program as a `torch.export.ExportedProgram` for any number of rows."""
    examples = tuple(torch.from_numpy(rows[:2].copy()) for rows in program.examples)
    rows = torch.export.Dim("n", min=1, max=MOST_ROWS)
    shapes = {name: {0: rows} for name in ("first", "labels")[: len(examples)]}
    with torch.no_grad(), _quiet():
        return torch.export.export(_Module(program).eval(), examples, dynamic_shapes=shapes)


def torch_file(program):
    """Returns a program as the bytes of a .pt2 file, its facts among its extra files."""
    content = io.BytesIO()
    with _quiet():
        torch.export.save(exported(program), content, extra_files={FACTS: json.dumps(program.facts)})
    return content.getvalue()


def run_torch_file(program, content):
    """Returns what the bytes of a .pt2 file make of the examples."""
    with torch.no_grad(), _quiet():
        loaded = torch.export.load(io.BytesIO(content)).module()
        return loaded(*(torch.from_numpy(rows.copy()) for rows in program.examples)).numpy()


def onnx(program):
    """Returns a program as an ONNX model with float32 weights."""
    float32 = program._replace(
        stored=tuple(each._replace(values=each.restored(), scale=None) for each in program.stored)
    )
    with _quiet():
        made = torch.onnx.export(
            exported(float32),
            tuple(torch.from_numpy(rows[:2].copy()) for rows in program.examples),
            input_names=[each.name for each in program.inputs],
            output_names=[program.output.name],
            dynamo=True,
            verbose=False,
        )
    return made.model_proto


class _quiet(warnings.catch_warnings):
    """Keeps what PyTorch tells its own developers away from the user."""

    def __enter__(self):
        super().__enter__()
        warnings.simplefilter("ignore")
        self.level = logging.root.manager.disable
        logging.disable(logging.WARNING)

    def __exit__(self, *error):
        logging.disable(self.level)
        super().__exit__(*error)
