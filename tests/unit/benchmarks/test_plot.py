"""The picture of rates by batch size."""

from xml.etree import ElementTree

import pytest

from benchmarks.figures import Measurement, Sample
from benchmarks.plot import plot, tick_step


def measured(name: str, batch_size: int, *rates: float) -> Measurement:
    """A measurement with a batch size, at these rates."""
    return Measurement(name, "transactions", [Sample(100, 100 / rate, {}) for rate in rates], batch_size)


@pytest.mark.parametrize(
    ("largest", "step"), [(1, 0.2), (9, 2), (60, 10), (61, 20), (117_000, 20_000), (999_999, 200_000)]
)
def test_the_axis_has_a_handful_of_round_numbers(largest: float, step: float) -> None:
    assert tick_step(largest) == pytest.approx(step)


def test_the_picture_has_every_rate_and_every_ratio() -> None:
    product = [measured("a", 8_000, 60_000, 50_000, 70_000), measured("b", 100, 20_000, 30_000, 10_000)]
    limit = [measured("c", 8_000, 100_000, 100_000, 100_000), measured("d", 100, 40_000, 40_000, 40_000)]

    picture = ElementTree.fromstring(plot("Posting & limits", product, limit))

    texts = {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"Posting & limits", "8,000", "100"} <= texts
    assert {"60,000", "20,000", "100,000", "40,000", "0.60", "0.50"} <= texts


def test_points_are_within_the_picture() -> None:
    product = [measured("a", size, 100 * size) for size in (1, 100, 8_000)]
    limit = [measured("b", size, 200 * size) for size in (1, 100, 8_000)]

    picture = ElementTree.fromstring(plot("Posting", product, limit))

    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    circles = list(picture.iter("{http://www.w3.org/2000/svg}circle"))
    assert len(circles) == 6
    assert all(0 < float(circle.attrib["cx"]) < width for circle in circles)
    assert all(0 < float(circle.attrib["cy"]) < height for circle in circles)
