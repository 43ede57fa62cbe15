"""A plot of batch size against rate, as SVG: what was measured, and the limit as a line above it.

Written by hand, because one small picture is no reason for a plotting library.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.figures import Measurement, ratio

_WIDTH, _HEIGHT = 760, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 24, 64, 56
_PRODUCT: Final = "#1a5fb4"
_LIMIT: Final = "#8a8a8a"
_STEPS: Final = (1, 2, 2.5, 5, 10)
_MOST_LINES: Final = 6


@dataclass(frozen=True, slots=True)
class _Scales:
    """Where batch sizes (by their logarithm) and rates are on the page."""

    smallest: float
    largest: float
    top: float

    def x(self, batch_size: float) -> float:
        """Pixels from the left."""
        part = math.log(batch_size / self.smallest, self.largest / self.smallest)
        return _LEFT + part * (_WIDTH - _LEFT - _RIGHT)

    def y(self, rate: float) -> float:
        """Pixels from the top."""
        return _HEIGHT - _BOTTOM - rate / self.top * (_HEIGHT - _TOP - _BOTTOM)


def plot(title: str, product: Sequence[Measurement], limit: Sequence[Measurement]) -> str:
    """The picture; there is a limit for each of what was measured, of the same batch size."""
    pairs = sorted(zip(product, limit, strict=True), key=lambda pair: _size(pair[0]))
    assert all(_size(one) == _size(other) for one, other in pairs), "a limit of another batch size"
    products, limits = [one for one, _ in pairs], [other for _, other in pairs]
    step = tick_step(max(each.rate for each in (*products, *limits)))
    top = step * math.ceil(max(each.rate for each in (*products, *limits)) * 1.05 / step)
    sizes = [_size(each) for each in products]
    # Room on both sides of the outermost points.
    scales = _Scales(min(sizes) / 1.5, max(sizes) * 1.5, top)
    parts = [
        *_frame(title, scales, sizes, step),
        *_line(limits, scales, _LIMIT, labels_by=-12),
        *_line(products, scales, _PRODUCT, labels_by=20),
        _text(_LEFT + 16, _TOP + 20, "COPY of the same rows: the limit", _LIMIT, "start", weight="bold"),
        _text(_LEFT + 16, _TOP + 40, "Tallybook, and its part of it", _PRODUCT, "start", weight="bold"),
        *(
            _text(scales.x(_size(one)), scales.y(one.rate) + 36, f"{ratio(one, other):.2f}", _PRODUCT)
            for one, other in pairs
        ),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
            ' font-family="system-ui, sans-serif" font-size="13">',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def tick_step(largest: float) -> float:
    """A round number of which a handful reach the largest value."""
    magnitude = math.pow(10, math.floor(math.log10(largest)))
    return next(
        step * scale
        for scale in (magnitude / 10, magnitude)
        for step in _STEPS
        if largest / (step * scale) <= _MOST_LINES
    )


def _frame(title: str, scales: _Scales, sizes: Sequence[int], step: float) -> Iterator[str]:
    yield _text(_LEFT, 26, title, "black", "start", weight="bold")
    yield _text(_LEFT, 46, "transactions a second", "#444", "start")
    for place in range(round(scales.top / step) + 1):
        y = scales.y(place * step)
        yield f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#e2e2e2"/>'
        yield _text(_LEFT - 10, y + 4, f"{place * step:,.0f}", "#444", "end")
    for size in sizes:
        x = scales.x(size)
        yield f'<path d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#f0f0f0"/>'
        yield _text(x, _HEIGHT - _BOTTOM + 22, f"{size:,}", "#444")
    yield _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, "drafts a call, rows a commit", "#444")


def _line(measurements: Sequence[Measurement], scales: _Scales, colour: str, labels_by: int) -> Iterator[str]:
    """A line with a point for each, the range of its rounds, and its rate above or below."""
    points = [(scales.x(_size(each)), scales.y(each.rate)) for each in measurements]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for each, (x, y) in zip(measurements, points, strict=True):
        rates = [scales.y(sample.rate) for sample in each.samples]
        yield f'<path d="M{x:.1f} {min(rates):.1f}V{max(rates):.1f}" stroke="{colour}"/>'
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
        yield _text(x, y + labels_by, f"{each.rate:,.0f}", colour)


def _text(x: float, y: float, text: str, colour: str, anchor: str = "middle", weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )


def _size(measurement: Measurement) -> int:
    assert measurement.batch_size is not None, f"{measurement.name} has no batch size"
    return measurement.batch_size
