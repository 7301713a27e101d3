"""The logs of a training as a CSV file, of which a damaged line costs that line alone."""

import csv
import io

from keras_gans.output import files


def read(path):
    """Returns `(rows, wrong)` of the file at `path`; both are empty where there is none.

    Args:
        path: A CSV file whose first line has the names, one of them `epoch`.

    Returns:
        The rows that can be read, as dicts of strings, in the order of their epochs, the last of each; and sentences
        about the other lines.
    """
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            header, *lines = file.read().splitlines() or [""]
    except FileNotFoundError:
        return [], []
    names = _fields(header)
    if names is None or "epoch" not in names or len({*names}) < len(names):
        return [], ["its first line does not name the columns, with `epoch` among them"]
    rows, wrong, last = {}, [], 0
    for number, line in enumerate(lines, start=2):
        fields = _fields(line) or []
        row = dict(zip(names, fields, strict=False))
        if len(fields) != len(names):
            wrong.append(f"line {number} has {len(fields)} fields, where {len(names)} are expected")
        elif not (row["epoch"].isascii() and row["epoch"].isdigit()) or not all(map(_is_number_or_empty, fields)):
            wrong.append(f"line {number} has fields that are no numbers")
        else:
            epoch = int(row["epoch"])
            if epoch <= last:
                wrong.append(f"line {number} has epoch {epoch} after epoch {last}")
            rows[epoch], last = row, epoch
    return [rows[epoch] for epoch in sorted(rows)], wrong


def _fields(line):
    try:
        return next(csv.reader([line]), None)
    except csv.Error:
        return None


def _is_number_or_empty(field):
    try:
        return field == "" or float(field) is not None
    except ValueError:
        return False


def write(path, rows):
    """Writes rows, dicts, as the file at `path`, atomically."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files.write(path, text.getvalue().encode())
