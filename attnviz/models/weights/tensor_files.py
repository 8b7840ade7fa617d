"""Named tensors out of a file that someone else wrote, and nothing but tensors.

Three containers are read: safetensors, PyTorch's own (zip, and the older plain pickle), and a zip holding one such
file, as pytorchcv publishes them. Pickles go through PyTorch's `weights_only` reader, which builds tensors and plain
containers and refuses every other name, so that no file can run code.
"""

import os
import pickle
import re
import struct
import tempfile
import threading
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from attnviz.errors import CheckpointError, first_line

LARGEST_BYTES = 4 << 30  # unpacked; the largest published DANet has 0.3 GB
_LARGEST_RATIO = 20  # unpacked to packed; weights shrink by a tenth, a zip bomb by a thousand
_SMALL_BYTES = 64 << 20  # below this the ratio does not matter
_CHUNK = 1 << 20
_WRAPPERS = ("state_dict", "model_state_dict", "model")  # where training scripts put the tensors
_PICKLED = (".pth", ".pt", ".tar", ".bin", ".ckpt")

# All that a reader can raise on a damaged or hostile file; torch.load documents none of it.
_READER_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SafetensorError,
    TypeError,
    ValueError,
    pickle.PickleError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)

# Training scripts keep scores beside the weights, and some are NumPy scalars (the authors' DANet: best_pred).
_SCALAR = np.float64(0).__reduce__()[0]
_PLAIN_GLOBALS: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    (np.dtype, "numpy.dtype"),
    *(type(np.dtype(kind)) for kind in (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)),
]

_reading = threading.Lock()  # PyTorch's list of allowed names is one for all threads


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Read every named tensor of a checkpoint; metadata beside them is left out.

    Args:
        path: A file. What it is follows from its content.

    Returns:
        Name -> tensor on the CPU, as stored, never empty. A ``module.`` that all names share is taken off.

    Raises:
        CheckpointError: There is no such file, or it is damaged, too large, no checkpoint, or holds anything that
            is not plain data.
    """
    path = Path(path)
    if not os.path.isfile(path):
        raise CheckpointError(f"expected a checkpoint file, got {str(path)[:200]}, which is {_what_is(path)}")
    try:
        return named_tensors(_read(path), path.name)
    except CheckpointError:
        raise
    except _READER_ERRORS as error:
        raise CheckpointError(f"expected a whole checkpoint, got {path.name}, damaged: {_gist(error)}") from error


def named_tensors(content: object, file_name: str) -> dict[str, Tensor]:
    """Find the tensors in what a checkpoint file held.

    Args:
        content: A mapping of names to tensors, or one that holds it under ``state_dict`` or the like.
        file_name: For messages.

    Returns:
        Name -> tensor, without a ``module.`` that all names share.

    Raises:
        CheckpointError: There are no tensors, or something else is among them.
    """
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
            break
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"expected named tensors in {file_name}, got {_describe(content)}")
    for name, value in content.items():
        if not isinstance(name, str):
            raise CheckpointError(f"expected only named tensors in {file_name}, got {_describe(name)} for a name")
        if not isinstance(value, Tensor):
            raise CheckpointError(f"expected only named tensors in {file_name}, got {_describe(value)} at {name:.80}")
    if all(name.startswith("module.") for name in content):
        return {name.removeprefix("module."): value.detach() for name, value in content.items()}
    return {name: value.detach() for name, value in content.items()}


def _read(path: Path) -> object:
    with path.open("rb") as stream:
        head = stream.read(16)
    if not head:
        raise CheckpointError(f"expected a checkpoint, got {path.name}, which is empty")
    if path.stat().st_size > LARGEST_BYTES:
        raise CheckpointError(f"expected at most {LARGEST_BYTES} bytes, got {path.name} of {path.stat().st_size}")
    if head.startswith(b"PK\x03\x04"):
        return _read_zip(path)
    if head[8:9] == b"{":  # after the header's length, which may begin with a pickle's first byte
        return load_file(path, device="cpu")
    if head.startswith(b"\x80"):
        return _unpickle(path)
    raise CheckpointError(f"expected safetensors or a PyTorch file, got {path.name}, which is neither")


def _read_zip(path: Path) -> object:
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        _check_size(members, path)
        if any(info.filename.rsplit("/", 1)[-1] == "data.pkl" for info in members):
            return _unpickle(path)
        inner = [info for info in members if info.filename.endswith((*_PICKLED, ".safetensors"))]
        if len(inner) != 1:
            raise CheckpointError(f"expected one checkpoint inside {path.name}, got {len(inner)}")
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / ("inner" + Path(inner[0].filename).suffix)
            with archive.open(inner[0]) as packed, copy.open("wb") as unpacked:
                while block := packed.read(_CHUNK):
                    unpacked.write(block)
            if zipfile.is_zipfile(copy):
                with zipfile.ZipFile(copy) as nested:
                    _check_size(nested.infolist(), path)
                return _unpickle(copy)
            return _read(copy)


def _check_size(members: list[zipfile.ZipInfo], path: Path) -> None:
    """Refuse an archive that would unpack to far more than weights do.

    Raises:
        CheckpointError: It would.
    """
    unpacked = sum(info.file_size for info in members)
    packed = path.stat().st_size
    if unpacked > LARGEST_BYTES or (unpacked > _SMALL_BYTES and unpacked > _LARGEST_RATIO * packed):
        raise CheckpointError(f"expected a checkpoint, got {path.name}, {packed} bytes that would unpack to {unpacked}")


def _unpickle(path: Path) -> object:
    with _reading, warnings.catch_warnings(), torch.serialization.safe_globals(_PLAIN_GLOBALS):
        warnings.simplefilter("ignore")  # about containers that PyTorch itself no longer writes
        try:
            with path.open("rb") as stream:  # given a path, torch.load decides by its ending
                return torch.load(stream, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise CheckpointError(
                f"expected tensors and plain data in {path.name}, got something else, which was not run: {_gist(error)}"
            ) from error


def _what_is(path: Path) -> str:
    return "a folder" if os.path.isdir(path) else "no regular file" if os.path.exists(path) else "not there"


def _describe(value: object) -> str:
    if isinstance(value, Mapping):
        return "none"
    return f"a {type(value).__name__}"


def _gist(error: BaseException) -> str:
    """What a reader's error says: the name it refused, where it tells one, else its first line."""
    refused = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f"it asks for {refused[1]:.120}" if refused else first_line(error)
