"""A clip of a few frames that moves over a photo."""

from pathlib import Path

import av
import numpy as np


def make_clip(path: Path, photo: np.ndarray, frames: int = 20) -> Path:
    """H.264 with B-frames and a key frame in 8, so that frames are stored in another order than they are shown in."""
    with av.open(str(path), "w") as clip:
        stream = clip.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.options = {"g": "8", "bf": "2", "crf": "10"}
        for number in range(frames):
            pixels = np.ascontiguousarray(photo[60:124, 8 * number : 8 * number + 96])
            clip.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        clip.mux(stream.encode())
    return path
