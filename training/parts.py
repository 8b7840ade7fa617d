"""Cut files into parts of limited size for a machine that is reached through a narrow door, and join them there.

    python -m training.parts cut PACKED --out PARTS --largest 60       # the data there ...
    python -m training.parts join PARTS --out PACKED
    python -m training.parts cut runs/classifier --out PARTS --largest 15   # ... and the results back

``PARTS/parts.json`` lists each file with its size, SHA-256 and number of parts; parts are ``NAME.000``, ``NAME.001``...
"""

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

INDEX = "parts.json"
MIB = 1 << 20


def cut(source: Path, out: Path, largest: int) -> list[Path]:
    """Cut every file directly in a folder.

    Args:
        source: Folder; folders within it and unfinished files (``.part``) are left out.
        out: Folder for the parts, made if it is missing.
        largest: Bytes of a part at most.

    Returns:
        The parts, in order.

    Raises:
        ValueError: Nothing to cut, or parts of no size.
    """
    files = sorted(p for p in source.iterdir() if p.is_file() and p.suffix != ".part")
    if not files or largest < 1:
        raise ValueError(f"expected files in {source} and parts of 1 byte or more, got {len(files)} and {largest}")
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    index: dict[str, dict[str, Any]] = {}
    for file in tqdm(files, desc="cut", unit="file"):
        digest, count = hashlib.sha256(), 0
        with file.open("rb") as stream:
            while (content := stream.read(largest)) or not count:
                part = part_path(out, file.name, count)
                part.write_bytes(content)
                digest.update(content)
                written.append(part)
                count += 1
        index[file.name] = {"bytes": file.stat().st_size, "sha256": digest.hexdigest(), "parts": count}
    (out / INDEX).write_text(json.dumps(index, indent=1))
    return written


def join(source: Path, out: Path) -> list[Path]:
    """Join what `cut` wrote; a file gets its final name only when its size and its hash are right.

    Args:
        source: Folder with the parts and their list.
        out: Folder for the files, made if it is missing.

    Returns:
        The files.

    Raises:
        FileNotFoundError: A part is missing.
        ValueError: A file's size or hash is not the listed one, or a name leads out of the folder.
    """
    index = json.loads((source / INDEX).read_text())
    out.mkdir(parents=True, exist_ok=True)
    for name, listed in tqdm(index.items(), desc="join", unit="file"):
        if Path(name).name != name:
            raise ValueError(f"expected plain file names in {INDEX}, got {name!r}")
        unfinished, digest = out / f"{name}.part", hashlib.sha256()
        with unfinished.open("wb") as stream:
            for number in range(listed["parts"]):
                content = part_path(source, name, number).read_bytes()
                digest.update(content)
                stream.write(content)
        if (size := unfinished.stat().st_size) != listed["bytes"] or digest.hexdigest() != listed["sha256"]:
            unfinished.unlink()
            raise ValueError(
                f"expected {name} with {listed['bytes']} bytes and SHA-256 {listed['sha256']}, "
                f"got {size} bytes and {digest.hexdigest()}"
            )
        unfinished.replace(out / name)
    return [out / name for name in index]


def part_path(folder: Path, name: str, number: int) -> Path:
    """Where a part of a file lies."""
    return folder / f"{name}.{number:03d}"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Cut files into parts, or join them.")
    parser.add_argument("action", choices=("cut", "join"))
    parser.add_argument("source", type=Path, help="folder with the files, or with their parts")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--largest", type=float, default=60, help="MiB of a part at most")
    args = parser.parse_args(argv)
    done = cut(args.source, args.out, int(args.largest * MIB)) if args.action == "cut" else join(args.source, args.out)
    print(f"{len(done)} {'parts' if args.action == 'cut' else 'files'} in {args.out}")


if __name__ == "__main__":
    main()
