"""What an outfit's scale does: each measure against the scale, as figures and as a drawing."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence

from dressform.measure.separation import NEUTRAL, Probe, Truth, burned_in, identity_right, outfit_right
from dressform.measure.statistics import share
from dressform.records import Figure, spoken

SCALES = (0.5, 0.75, 1.0, 1.2, 1.5)
Curves = dict[str, dict[str, Figure]]
"""measure -> scale, as it is written -> figure."""

_MEASURES: dict[str, Callable[[Probe, Truth], bool]] = {
    "outfit_fidelity": outfit_right,
    "identity_fidelity": identity_right,
    "burn_in": lambda probe, truth: burned_in(probe, truth) is not None,
    "undressed": lambda probe, _truth: probe.reading.words["kind"] == NEUTRAL,
}
_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 560, 280, 48, 16, 16, 40
_DASHES = ("none", "8 4", "2 4", "10 3 2 3")
_COLOURS = ("var(--good)", "var(--ink)", "rgb(var(--bad))", "var(--faint)")


def curves(probes: Mapping[float, Sequence[Probe]], truth: Truth) -> Curves:
    """Each measure at each scale. The probes of every scale ask for the same pictures, from the same seeds."""
    return {
        name: {f"{scale:g}": share(is_so(p, truth) for p in found) for scale, found in sorted(probes.items())}
        for name, is_so in _MEASURES.items()
    }


def drawing(found: Mapping[str, Mapping[str, Figure]]) -> str:
    """The curves as an SVG element, each with its 95 % band; told apart by their dashes too."""
    scales = [float(s) for s in next(iter(found.values()))]
    grid = "".join(_rule(y) for y in (0.0, 0.25, 0.5, 0.75, 1.0))
    ticks = "".join(f'<text x="{_x(s, scales):.1f}" y="{_HEIGHT - 22}" text-anchor="middle">{s:g}</text>' for s in scales)
    lines = "".join(_curve(name, f, scales, *look) for (name, f), *look in zip(found.items(), _COLOURS, _DASHES, strict=True))
    axis = f'<text x="{_WIDTH / 2}" y="{_HEIGHT - 4}" text-anchor="middle">scale of the outfit (1 is as trained)</text>'
    legend = " ".join(
        f'<span><svg width="34" height="10" aria-hidden="true">{_line([(0, 5), (34, 5)], colour, dash)}</svg> {_said(name)}</span>'
        for name, colour, dash in zip(found, _COLOURS, _DASHES, strict=True)
    )
    says = f"{', '.join(map(_said, found))} against the scale of the outfit"
    return (
        f'<svg role="img" aria-label="{html.escape(says)}" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        f'style="max-width:42rem;font-size:12px;fill:var(--faint)">{grid}{ticks}{axis}{lines}</svg><p>{legend}</p>'
    )


def _curve(name: str, figures: Mapping[str, Figure], scales: Sequence[float], colour: str, dash: str) -> str:
    points = [(_x(s, scales), f) for s, f in zip(scales, figures.values(), strict=True)]
    band = [(x, _y(f.high)) for x, f in points] + [(x, _y(f.low)) for x, f in reversed(points)]
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in band)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{_y(f.value):.1f}" r="3.5" fill="{colour}"><title>{_said(name)} at {scale}: {f.value:.1%} '
        f"({f.low:.1%} to {f.high:.1%}), n = {f.n}</title></circle>"
        for (x, f), scale in zip(points, figures, strict=True)
    )
    return f'<polygon points="{corners}" fill="{colour}" opacity="0.10"/>{_line([(x, _y(f.value)) for x, f in points], colour, dash)}{dots}'


def _line(points: Sequence[tuple[float, float]], colour: str, dash: str) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'


def _rule(share_: float) -> str:
    y = _y(share_)
    return (
        f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--line)"/>'
        f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{share_:.0%}</text>'
    )


def _x(scale: float, scales: Sequence[float]) -> float:
    return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (scale - scales[0]) / ((scales[-1] - scales[0]) or 1.0)


def _y(share_: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - share_)


def _said(name: str) -> str:
    return spoken(name)
