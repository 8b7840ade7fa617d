"""The frames of a clip, told apart by the time they are shown at."""

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from attnviz.errors import ImageError, OptionError, first_line, quoted
from attnviz.extras import needs
from attnviz.inputs.files.limits import check_size
from attnviz.results import ByteArray


def pyav() -> ModuleType:
    """PyAV, once it is known to be there.

    Raises:
        MissingExtraError: It is not installed.
    """
    with needs("av", extra="video"):
        import av
    module: ModuleType = av
    return module


def frame_times(path: str) -> list[int]:
    """When each frame of a clip is shown, in the clip's own unit of time, ascending: read without decoding one.

    Raises:
        OptionError: Not a clip that can be read, or one whose frames have no times.
    """
    av = pyav()
    try:
        with av.open(path) as clip:
            times = [packet.pts for packet in clip.demux(clip.streams.video[0]) if packet.size]
    except (av.FFmpegError, IndexError, OSError) as error:
        raise OptionError(
            f"expected a clip with pictures, got {quoted(Path(path).name)}: {first_line(error)}"
        ) from error
    if any(time is None for time in times):
        raise OptionError(f"expected a clip whose frames have times, got {quoted(Path(path).name)}: write it as MP4")
    return sorted(times)


def frame_rate(path: str) -> float:
    """Frames per second of a clip; 25 where it does not say."""
    av = pyav()
    with av.open(path) as clip:
        rate = clip.streams.video[0].average_rate
    return float(rate) if rate else 25.0


def read_frames(path: str, times: Sequence[int]) -> Iterator[ByteArray | ImageError]:
    """Frames of a clip, in order, decoded from the last key frame before the first of them.

    Args:
        path: Of the clip.
        times: Of the frames, out of `frame_times`, ascending.

    Returns:
        For each either RGB uint8 (H, W, 3), or why there is none.
    """
    av, waiting, why = pyav(), deque(times), "its end"
    try:
        with av.open(path) as clip:
            stream = clip.streams.video[0]
            clip.seek(times[0], stream=stream)
            for frame in clip.decode(stream):
                while waiting and frame.pts is not None and frame.pts > waiting[0]:
                    waiting.popleft()
                    yield ImageError("expected a frame that can be decoded, got a damaged one")
                if waiting and frame.pts == waiting[0]:
                    waiting.popleft()
                    yield _pixels(frame)
                if not waiting:
                    return
    except (av.FFmpegError, IndexError, OSError) as error:
        why = first_line(error)
    for _ in waiting:
        yield ImageError(f"expected a frame that can be decoded, got {why}")


def _pixels(frame: object) -> ByteArray | ImageError:
    try:
        check_size(frame.width, frame.height)  # type: ignore[attr-defined]
    except ImageError as error:
        return error
    pixels: ByteArray = frame.to_ndarray(format="rgb24")  # type: ignore[attr-defined]
    return pixels
