"""How the page looks: one accent, a neutral ground, a type scale; the rest is `page.css`."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

_HERE = Path(__file__).parent
PAGE_CSS = _HERE / "page.css"

# A petrol that sits inside viridis without competing with it; 600 on white 6.1:1, 300 on the dark ground 9:1.
_PETROL = gr.themes.Color(
    "#eef7f7", "#d5ebeb", "#abd7d8", "#79bdc0", "#479ca1", "#1f7f86", "#0d686f", "#0b545a", "#0b4449", "#0b383c",
    "#06262a", name="petrol",
)  # fmt: skip
_INK = gr.themes.Color(
    "#fafaf9", "#f3f3f1", "#e6e6e3", "#d3d3cf", "#a3a4a1", "#70726f", "#545653", "#3d3f3d", "#272928", "#1a1c1b",
    "#111312", name="ink",
)  # fmt: skip
_NO_SHADOW = "none"


def build_theme() -> gr.themes.Base:
    """The theme of the page; its fonts are files that Gradio brings along, nothing is fetched."""
    sans = (gr.themes.utils.fonts.LocalFont("IBM Plex Sans", weights=(400, 700)), "ui-sans-serif", "sans-serif")
    mono = (gr.themes.utils.fonts.LocalFont("IBM Plex Mono", weights=(400,)), "ui-monospace", "monospace")
    theme = gr.themes.Base(
        primary_hue=_PETROL,
        secondary_hue=_PETROL,
        neutral_hue=_INK,
        text_size=gr.themes.sizes.text_md,
        spacing_size=gr.themes.sizes.spacing_md,
        radius_size=gr.themes.sizes.radius_md,
        font=sans,
        font_mono=mono,
    )
    return theme.set(**_COLORS, **_SHAPES)


_COLORS = {
    "body_background_fill": "white",
    "body_background_fill_dark": "*neutral_950",
    "body_text_color": "*neutral_800",
    "body_text_color_dark": "*neutral_100",
    "body_text_color_subdued": "*neutral_600",
    "body_text_color_subdued_dark": "*neutral_400",
    "background_fill_primary": "white",
    "background_fill_primary_dark": "*neutral_950",
    "background_fill_secondary": "*neutral_50",
    "background_fill_secondary_dark": "*neutral_900",
    "block_background_fill": "white",
    "block_background_fill_dark": "*neutral_900",
    "block_label_background_fill": "transparent",
    "block_label_background_fill_dark": "transparent",
    "block_label_text_color": "*neutral_600",
    "block_label_text_color_dark": "*neutral_400",
    "block_title_text_color": "*neutral_600",
    "block_title_text_color_dark": "*neutral_400",
    "border_color_primary": "*neutral_200",
    "border_color_primary_dark": "*neutral_800",
    "color_accent": "*primary_600",
    "color_accent_soft": "*primary_50",
    "color_accent_soft_dark": "*primary_900",
    "error_text_color": "#b3261e",
    "error_text_color_dark": "#ffb4a9",
    "link_text_color": "*primary_600",
    "link_text_color_dark": "*primary_300",
    "input_background_fill": "white",
    "input_background_fill_dark": "*neutral_950",
    "input_border_color": "*neutral_300",
    "input_border_color_dark": "*neutral_700",
    "input_border_color_focus": "*primary_500",
    "input_border_color_focus_dark": "*primary_400",
    "input_placeholder_color": "*neutral_500",
    "input_placeholder_color_dark": "*neutral_400",
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_background_fill_dark": "*primary_300",
    "button_primary_background_fill_hover_dark": "*primary_200",
    "button_primary_text_color": "white",
    "button_primary_text_color_dark": "*neutral_950",
    "button_secondary_background_fill": "white",
    "button_secondary_background_fill_hover": "*neutral_100",
    "button_secondary_background_fill_dark": "*neutral_900",
    "button_secondary_background_fill_hover_dark": "*neutral_800",
    "button_secondary_border_color": "*neutral_300",
    "button_secondary_border_color_dark": "*neutral_700",
    "button_secondary_text_color": "*neutral_800",
    "button_secondary_text_color_dark": "*neutral_100",
    "checkbox_label_background_fill": "white",
    "checkbox_label_background_fill_dark": "*neutral_900",
    "slider_color": "*primary_600",
    "slider_color_dark": "*primary_300",
}
_SHAPES = {
    "block_border_width": "1px",
    "block_shadow": _NO_SHADOW,
    "block_label_text_size": "*text_sm",
    "block_title_text_size": "*text_sm",
    "block_title_text_weight": "400",
    "block_label_text_weight": "400",
    "button_large_padding": "9px 18px",
    "button_large_text_weight": "700",
    "button_small_padding": "5px 12px",
    "button_border_width": "1px",
    "button_primary_border_color": "transparent",
    "button_primary_shadow": _NO_SHADOW,
    "button_secondary_shadow": _NO_SHADOW,
    "checkbox_label_shadow": _NO_SHADOW,
    "input_shadow": _NO_SHADOW,
    "input_shadow_focus": "0 0 0 3px *primary_100",
    "input_shadow_focus_dark": "0 0 0 3px *primary_800",
    "layout_gap": "16px",
}
