"""The options of ``attnviz explain``: their names, ranges and the words of ``--help``.

Choices and ranges are those of the stages behind them, and stand here again because those import NumPy and matplotlib,
which would triple the time that ``--help`` takes; a test keeps them equal, and the defaults too.
"""

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

ColormapName = Literal["viridis", "inferno", "magma", "plasma", "cividis", "gray", "RdBu_r", "PuOr_r", "turbo", "jet"]

Photos = Annotated[list[str], Argument(metavar="PHOTO", help="Picture files.", show_default=False)]
Sources = Annotated[
    list[str],
    Argument(metavar="SOURCE", help="Folders, patterns, lists (.txt), tar files, clips, pictures.", show_default=False),
]
Out = Annotated[Path, Option("--out", "-o", help="Folder to write to.")]
Formats = Annotated[
    list[str], Option("--format", "-f", help="Any of png, pdf, svg, npz, gif, webp, html, with commas.")
]
Html = Annotated[bool, Option("--html", help="Also the interactive viewer in one file.")]
Evidence = Annotated[bool, Option("--evidence", help="Also whether the attention matters, measured: minutes a photo.")]
Box = Annotated[str | None, Option(metavar="L,T,R,B", help="An object, photo pixels: do the maps find it?")]
Mask = Annotated[Path | None, Option(help="The same as a picture of the photo's size, bright on the object.")]
AsJson = Annotated[bool, Option("--json", help="Print one JSON document, and nothing else.")]
Device = Annotated[str, Option(help="auto, cpu, cuda, cuda:N or mps.")]
ResizeMode = Annotated[
    Literal["keep", "stretch", "center_crop"] | None,
    Option(help="keep: whole photo; stretch: made square; center_crop: its middle; else what the model needs."),
]
Top = Annotated[int, Option(min=1, help="Predictions to keep.")]
At = Annotated[
    list[str], Option("--at", metavar="X,Y", help="Pixel whose position attention is shown; can be repeated.")
]
Panels = Annotated[
    str, Option(help="Panels with commas, for example photo,stage1.gain or stages; else the usual ones.")
]
Columns = Annotated[int | None, Option(min=1, help="Panels side by side.")]
Colormap = Annotated[ColormapName, Option(help="turbo and jet show edges that are not there.")]
Scaling = Annotated[
    Literal["each", "shared"], Option(help="Colours span each map's range, or one shared by like maps.")
]
Spread = Annotated[
    Literal["auto", "linear", "percentile", "log"],
    Option(help="How values are spread over the colours; auto: log for position attention."),
]
OpacityBy = Annotated[
    Literal["auto", "even", "value"],
    Option(help="value: opacity follows the value; auto: so for position attention."),
]
Opacity = Annotated[float, Option(min=0.0, max=1.0, help="Of the maps over the photo.")]
Smooth = Annotated[bool, Option("--smooth", help="Smooth between the network's own cells.")]
Cells = Annotated[
    Literal["tiles", "centers"], Option(help="Cells as even tiles, or each around the middle of what it sees.")
]
Width = Annotated[float, Option(min=30.0, max=600.0, help="Of the figure, mm.")]
Dpi = Annotated[int, Option(min=50, max=1200, help="Dots per inch.")]
FontSize = Annotated[float, Option(min=4.0, max=24.0, help="In points.")]
Title = Annotated[bool, Option(help="Print a heading.")]
Caption = Annotated[bool, Option(help="Print the caption too.")]
Language = Annotated[Literal["en", "zh"], Option(help="Of the figure's own words, and of the HTML file.")]
