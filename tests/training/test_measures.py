import numpy as np

from training.measures import border_area, border_share, cells_inside


def test_cells_inside_goes_by_cell_centres():
    # cells of 16 pixels have centres 8, 24, 40, 56; the box covers x 24..40 and y 0..8, both ends inside
    found = cells_inside((24, 0, 40, 8), 64, 4)
    assert found.tolist() == [[False, True, True, False]] + [[False] * 4] * 3


def test_border_share_of_a_frame_a_dot_and_a_flat_map():
    dot = np.zeros((4, 4))
    dot[1, 2] = 2.0
    frame = np.ones((4, 4))
    frame[1:3, 1:3] = 0
    assert border_share(dot[None]) == 0
    assert border_share(frame[None]) == 1
    assert border_share(np.full((1, 4, 4), 7.0)) == border_area(4, 4) == 0.75
