"""Dialects: how each publisher names the tensors of the networks of this package.

One module per publisher, a `Scheme` per architecture. A checkpoint is recognised by its names alone.
"""

from attnviz.models.weights.dialects import authors, mmseg, pytorchcv
from attnviz.models.weights.dialects.scheme import Scheme

SCHEMES: tuple[Scheme, ...] = (*authors.SCHEMES, *pytorchcv.SCHEMES, *mmseg.SCHEMES)
