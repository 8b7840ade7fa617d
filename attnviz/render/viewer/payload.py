"""What the viewer in the browser is sent: one JSON-able dict per explanation.

Arrays travel as base64 of little-endian numbers in C order, so that the browser reads them into typed arrays without
parsing. Query and key are whole: the browser computes rows and columns from them, the same as the server's.

The dict, version 2 (`SCHEMA`); absent parts are None or empty:

    schema         2
    views          ["stages", "position", "cross", "channel", "inside", "sites", "evidence"]: those that have something
                   to show, in this order
    model          name, architecture, task, sha256, trained, device
    predictions    [{category, probability}]
    photo          {url, width, height}: the pixels the network saw, as a data URL
    backdrop       {url, width, height}: the same part of the photo, sharper, to draw maps over; None: `photo` will do
    photo_id       tells photos apart: two payloads of one photo have the same, whatever each network saw of it
    geometry       {photo: [height, width], crop: [left, top, right, bottom], network: [height, width],
                   detail: [height, width], the size the photo was reduced to before it was enlarged to `network`,
                   jpeg_quality: of the JPEG it then passed through, or null}
    looks          what a viewer begins with: {opacity, colormap, diverging, cells, map_spread, map_opacity_by,
                   attention_spread, attention_opacity_by}; the second and third name colour maps, "attention" is
                   position attention, "map" is all other maps
    pins           [{color, ink}]: of pin 1, 2, ..., and of the text on it; there may be no more
    colormaps      [{name, kind, perceptual, note, table: 256 x 3 bytes}], recommended first
    maps           [{label, title, kind, unit, bounds, range, stage, stride, grid: [rows, columns], dtype, values,
                   sees}]; sees: what cell (0, 0) sees, in network pixels, or null where that is not known:
                   {start: [y, x], size: [height, width], stride: [down, across], everywhere, exact}
    stages         [{stage, stride, fusion, spatial: label, gain: label, channels, channel_logit}]
    positions      [{label, title, kind: "attention", grid, channels, extra, heads, others, class_token, stride, gamma,
                   dtype, received: label, query, key, lse, received_by_head, other_query, other_key}], with an axis of
                   heads before the others; query null: not carried. The last `extra` channels stand for biases, masks
                   and windows. The attention rollout of a vision transformer is the last of the list: {label, title,
                   kind: "rollout", grid, heads: 1, others, class_token, stride, layers, dtype, matrix}
    cross          [{label, title, kind: "cross", grid: of the keys, queries: [rows, columns] of the queries, objects:
                   whether those are objects and no places, channels, heads, others, class_token, stride, dtype,
                   query, key, lse, received_by_head, other_query, other_key}], as for positions
    first_position label of the one to show first
    note           what was left out, a sentence; empty where nothing was
    channel        {count, stride, gamma, matrix, matrix_dtype, effect, outputs: {channels, grid, values}}
    channel_gates  [{label, title, stage, stride, count, values}]
    group_gates    [{label, title, stage, stride, count, grid, ranges: [[low, high]], module, values}]: float16, groups
                   first; values null: they are the gate "M" of that entry of `modules`
    group_note     what of them was left out, a sentence; empty where nothing was
    modules        what happens inside attention modules: see attnviz/render/viewer/inside_parts.py
    segmentation   {categories: [{name, color}], heads: name -> data URL of a PNG, cells, cells_dtype, grid,
                   shares: name -> [[class, share]]}
    evidence       as attnviz.render.viewer.evidence_part makes it
"""

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attnviz.inputs.receptive_field import ReceptiveField
from attnviz.language import ENGLISH, Say, in_language
from attnviz.render.class_colors import class_colors, pin_color, readable_on
from attnviz.render.colormaps import COLORMAPS, DEFAULT, DEFAULT_DIVERGING, table
from attnviz.render.figure_options import MAX_PINS
from attnviz.render.overlay import DEFAULT_OPACITY
from attnviz.render.scales import usual_opacity, usual_spread
from attnviz.render.viewer.attention_parts import JSON, FloatType, base64_of, cross_parts, position_parts
from attnviz.render.viewer.data_url import data_url, encoded
from attnviz.render.viewer.evidence_part import evidence_part
from attnviz.render.viewer.field_part import sees
from attnviz.render.viewer.group_parts import group_parts
from attnviz.render.viewer.inside_parts import module_parts
from attnviz.results import (
    AttentionMap,
    ChannelAttention,
    ChannelGate,
    Explanation,
    LabelArray,
    Segmentation,
    StageAttention,
)

if TYPE_CHECKING:
    from attnviz.measure.evidence import Evidence

SCHEMA = 2
TEXTS = frozenset({"title", "note", "group_note", "formula"})  # for people, in the language of the page
JPEG_QUALITY = 92
_PNG_AT_MOST = 200_000  # bytes: above this, the photo is sent as JPEG
_SHARP_ENOUGH = 512  # pixels, longer side: from here on, maps are drawn over the very pixels the network saw
_BACKDROP = 960  # pixels, longer side of the sharper photo
_BACKDROP_QUALITY = 88
_OUTPUT_BYTES = 400_000  # of the channels' output maps together
_OUTPUTS = 16  # channels with an output map, at most
_FULL_MATRIX = 256  # channels; a larger C x C matrix is sent in half precision
_EXACT_MAPS = 6_000_000  # bytes of all maps together; more are sent in half precision, three digits of which are right
_FEW_SITES = 12  # which the other views show well enough
_PALETTE = 256  # colours that a PNG's palette can hold


def payload(
    explanation: Explanation, *, on_demand: bool = False, evidence: "Evidence | None" = None, say: Say = ENGLISH
) -> JSON:
    """Everything the viewer needs to show an explanation.

    Args:
        explanation: Of one photo by one network.
        on_demand: Leave out position attentions that the viewer can ask a server for, by
            `attnviz.render.viewer.attention_parts.position_part`; else it needs no server.
        evidence: What was measured about the same photo, to be shown in a view of its own; None: nothing.
        say: Puts titles and notes into the language of the viewer's page.

    Returns:
        A dict of plain JSON types, as drawn in the docstring of this module.
    """
    channel, segmentation = explanation.channel, explanation.segmentation
    positions, first, note = position_parts(explanation, on_demand=on_demand)
    groups, group_note = group_parts(explanation)
    exact = sum(4 * entry.values.size for entry in explanation.maps.values()) <= _EXACT_MAPS
    data = {
        "schema": SCHEMA,
        "views": _views(explanation) + (["evidence"] if evidence is not None else []),
        "model": _model(explanation),
        "predictions": [{"category": p.category, "probability": p.probability} for p in explanation.predictions],
        "photo": _photo(explanation.network_image),
        "backdrop": _backdrop(explanation),
        "photo_id": hashlib.blake2b(np.ascontiguousarray(explanation.photo).data, digest_size=8).hexdigest(),
        "geometry": _geometry(explanation),
        "looks": _looks(),
        "pins": [{"color": color, "ink": readable_on(color)} for color in map(pin_color, range(MAX_PINS))],
        "colormaps": _colormaps(),
        "maps": [
            _map(m, "float32" if exact else "float16", explanation.receptive_fields.get(label))
            for label, m in explanation.maps.items()
        ],
        "stages": [_stage(s) for s in explanation.stages],
        "positions": positions,
        "cross": cross_parts(explanation, on_demand=on_demand),
        "first_position": first,
        "note": note,
        "channel": None if channel is None else _channel(channel),
        "channel_gates": [_channel_gate(gate) for gate in explanation.channel_gates.values()],
        "group_gates": groups,
        "group_note": group_note,
        "modules": module_parts(explanation),
        "segmentation": None if segmentation is None else _segmentation(segmentation, say),
        "evidence": None if evidence is None else evidence_part(evidence, say),
    }
    return told(data, say)


def families_payload(explanations: Mapping[str, Explanation], *, say: Say = ENGLISH) -> JSON:
    """Several networks on one photo, for the viewer's view of families.

    Args:
        explanations: Name of a family -> its explanation, in the order they are shown.
        say: As for `payload`.

    Returns:
        ``{"families": [{"family", "explanation": payload}]}``.
    """
    found = [{"family": name, "explanation": payload(entry, say=say)} for name, entry in explanations.items()]
    return {"families": found}


def _looks() -> JSON:
    """What a viewer begins with: as figures."""
    kinds = {"map": "effective_gain", "attention": "position_row"}
    return {
        **{"opacity": DEFAULT_OPACITY, "colormap": DEFAULT, "diverging": DEFAULT_DIVERGING, "cells": "tiles"},
        **{f"{family}_spread": usual_spread(kind) for family, kind in kinds.items()},
        **{f"{family}_opacity_by": usual_opacity(kind) for family, kind in kinds.items()},
    }


def told(data: JSON, say: Say) -> JSON:
    """A payload, or a part of one, with the texts for people in another language."""
    put: JSON = in_language(data, say, TEXTS)
    return put


def compare_payload(left: Explanation, right: Explanation, *, say: Say = ENGLISH) -> JSON:
    """Two explanations for the viewer's `compare` view.

    Args:
        left: Shown on the left, or under the wipe.
        right: Shown on the right, or over it; the difference is right minus left.
        say: As for `payload`.

    Returns:
        ``{"left": payload, "right": payload}``.
    """
    return {"left": payload(left, say=say), "right": payload(right, say=say)}


def _views(explanation: Explanation) -> list[str]:
    """The views that have something to show, in the order of their tabs."""
    found = {
        "stages": bool(explanation.stages or explanation.other_maps),
        "position": bool(explanation.positions),
        "cross": bool(explanation.cross_attentions),
        "channel": explanation.channel is not None or bool(explanation.channel_gates),
        "inside": bool(explanation.modules),
        "sites": len(explanation.maps) + len(explanation.channel_gates) > _FEW_SITES,
    }
    return [view for view, some in found.items() if some]


def _model(explanation: Explanation) -> JSON:
    model = explanation.model
    names = ("name", "architecture", "task", "sha256", "trained", "device")
    return {name: getattr(model, name) for name in names}


def _geometry(explanation: Explanation) -> JSON:
    geometry = explanation.geometry
    return {
        "photo": list(geometry.photo_size),
        "crop": list(geometry.crop),
        "network": list(geometry.network_size),
        "detail": list(explanation.detail_size),
        "jpeg_quality": explanation.preprocessing.jpeg_quality,
    }


def _photo(seen: NDArray[np.uint8]) -> JSON:
    """The photo as PNG where that is small, else as JPEG of quality 92 without chroma subsampling."""
    picture = Image.fromarray(np.ascontiguousarray(seen))
    exact = encoded(picture, "png")
    if len(exact) <= _PNG_AT_MOST:
        url = data_url(exact, "png")
    else:
        url = data_url(encoded(picture, "jpeg", quality=JPEG_QUALITY, subsampling=0), "jpeg")
    return {"url": url, "width": picture.width, "height": picture.height}


def _backdrop(explanation: Explanation) -> JSON | None:
    """What the network saw, from the photo itself: a network at 128 pixels leaves little for people to recognise."""
    seen = max(explanation.network_image.shape[:2])
    left, top, right, bottom = explanation.geometry.crop
    size = min(_BACKDROP, max(right - left, bottom - top))
    if seen >= _SHARP_ENOUGH or size < 1.25 * seen:
        return None
    picture = Image.fromarray(np.ascontiguousarray(explanation.photo[top:bottom, left:right]))
    picture.thumbnail((size, size), Image.Resampling.LANCZOS)
    url = data_url(encoded(picture, "jpeg", quality=_BACKDROP_QUALITY), "jpeg")
    return {"url": url, "width": picture.width, "height": picture.height}


def _colormaps() -> list[JSON]:
    return [
        {
            "name": entry.name,
            "kind": entry.kind,
            "perceptual": entry.perceptual,
            "note": entry.note,
            "table": base64_of(table(entry.name)),
        }
        for entry in COLORMAPS.values()
    ]


def _map(attention: AttentionMap, dtype: FloatType, field: ReceptiveField | None) -> JSON:
    return {
        "label": attention.label,
        "title": attention.title,
        "kind": attention.kind,
        "unit": attention.unit,
        "bounds": list(attention.bounds),
        "range": list(attention.raw_range),
        "stage": attention.stage,
        "stride": attention.stride,
        "grid": list(attention.values.shape),
        "dtype": dtype,
        "values": base64_of(attention.values.astype("<f4" if dtype == "float32" else "<f2")),
        "sees": None if field is None else sees(field),
    }


def _stage(stage: StageAttention) -> JSON:
    return {
        "stage": stage.stage,
        "stride": stage.stride,
        "fusion": stage.fusion,
        "spatial": stage.spatial_logit.label,
        "gain": stage.gain.label,
        "channels": len(stage.channel_logit),
        "channel_logit": _floats(stage.channel_logit),
    }


def _channel(channel: ChannelAttention) -> JSON:
    """The matrix, and the output maps of the channels with the most effect, strongest first."""
    count, rows, columns = channel.output.shape
    kept = max(1, min(_OUTPUTS, count, _OUTPUT_BYTES // (4 * rows * columns)))
    strongest = np.argsort(-channel.effect, kind="stable")[:kept]
    dtype: Literal["float32", "float16"] = "float32" if count <= _FULL_MATRIX else "float16"
    return {
        "count": count,
        "stride": channel.stride,
        "gamma": channel.gamma,
        "matrix": base64_of(channel.matrix.astype("<f4" if dtype == "float32" else "<f2")),
        "matrix_dtype": dtype,
        "effect": _floats(channel.effect),
        "outputs": {
            "channels": [int(c) for c in strongest],
            "grid": [rows, columns],
            "values": _floats(channel.output[strongest]),
        },
    }


def _channel_gate(gate: ChannelGate) -> JSON:
    return {
        "label": gate.label,
        "title": gate.title,
        "stage": gate.stage,
        "stride": gate.stride,
        "count": len(gate.values),
        "values": _floats(gate.values),
    }


def _segmentation(segmentation: Segmentation, say: Say) -> JSON:
    colors = class_colors(len(segmentation.categories))
    called = {name: say.category(name) for name in segmentation.categories}
    if len(set(called.values())) < len(called):  # names tell classes apart, and so must what they are called
        called = {name: name for name in called}
    cells = segmentation.cells
    return {
        "categories": [
            {"name": called[name], "color": "#{:02x}{:02x}{:02x}".format(*color)}
            for name, color in zip(segmentation.categories, colors.tolist(), strict=True)
        ],
        "heads": {head: _label_url(labels, colors) for head, labels in segmentation.labels.items()},
        "cells": base64_of(cells.astype(cells.dtype.newbyteorder("<"))),
        "cells_dtype": cells.dtype.name,
        "grid": list(cells.shape),
        "shares": {
            head: [[called[name], share] for name, share in segmentation.shares(head).items()]
            for head in segmentation.labels
        },
    }


def _label_url(labels: LabelArray, colors: NDArray[np.uint8]) -> str:
    """The classes as a picture in their colours, exact: with a palette, which is smaller, where one can hold them."""
    if len(colors) <= _PALETTE:
        picture = Image.fromarray(np.ascontiguousarray(labels, dtype=np.uint8))
        picture.putpalette(colors.tobytes())
    else:
        picture = Image.fromarray(colors[labels])
    return data_url(encoded(picture, "png"), "png")


def _floats(values: NDArray[np.float32]) -> str:
    return base64_of(np.asarray(values, dtype="<f4"))


__all__ = ["JSON", "SCHEMA", "compare_payload", "payload", "told"]
