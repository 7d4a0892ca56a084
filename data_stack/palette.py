"""The colours of every chart, on the pages and in the notebooks.

Okabe and Ito's colours, which colour-blind readers can tell apart: https://jfly.uni-koeln.de/color/
"""

from typing import Final

BLUE: Final = "#0072b2"
VERMILION: Final = "#d55e00"
GREEN: Final = "#009e73"
PURPLE: Final = "#cc79a7"
GREY: Final = "#8c8c8c"
ORANGE: Final = "#e69f00"
SKY_BLUE: Final = "#56b4e9"
BLACK: Final = "#000000"

PALETTE: Final = (BLUE, VERMILION, GREEN, PURPLE, GREY)
"""Colours with a contrast of at least 3 to 1 with both the white and the dark background."""

PRINT_PALETTE: Final = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY_BLUE, BLACK)
"""More colours, for charts that always have a white background."""

VERMILION_BAND: Final = "rgba(213, 94, 0, 0.25)"
"""`VERMILION`, transparent enough to see points and grid lines behind a band."""

SEQUENTIAL: Final = "Cividis"
"""Plotly scale from low to high. Its lightness increases evenly, so it can also be read without colour."""

DIVERGING: Final = ((0.0, VERMILION), (0.5, "#c8c8c8"), (1.0, BLUE))
"""Plotly scale from negative through zero to positive."""
