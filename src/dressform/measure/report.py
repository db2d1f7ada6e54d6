"""The report of a measurement as a page: figures, who shows in whose place, the worst beside the best, and what to do."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dressform import paper
from dressform.measure.accessories import TRIED_ON
from dressform.measure.curves import Curves, drawing
from dressform.measure.separation import ANOTHER, NEUTRAL, Truth
from dressform.records import Figure, spoken

FAILS_ABOVE = 0.02
"""A cell of the matrix above this share is a finding."""

WHAT_IT_IS = {
    "outfit_fidelity": "the garment's kind, colour and pattern are as asked",
    "identity_fidelity": "it is her: skin, hair, ears, build and height",
    "burn_in": "an outfit shows that was not asked for (lower is better)",
    "conformity": "outfit, identity and scene are all right at once",
    "prompt_fidelity": "view, pose and background are as asked",
}


@dataclass(frozen=True)
class Example:
    """One probe to look at: a PNG file, and what is wrong with it in words ("" where nothing is)."""

    png: bytes
    wrong: str


@dataclass(frozen=True)
class Examples:
    """An outfit's best and worst probes."""

    best: Sequence[Example]
    worst: Sequence[Example]


@dataclass(frozen=True)
class Measured:
    """Figures by name, the matrix asked x appeared, what was right, and how far the reader itself can be trusted.

    ``reader`` is its accuracy for each attribute on held-out dolls, by kind of picture. ``examples`` are the best and the
    worst probes of each outfit, as finished pictures: none where ``dress`` is not agreed, and never one that came out undressed.
    """

    figures: dict[str, Figure]
    matrix: dict[str, dict[str, Figure]]
    truth: Truth
    reader: dict[str, dict[str, float]]
    examples: dict[str, Examples] = field(default_factory=dict)
    accessories: dict[str, dict[str, Figure]] = field(default_factory=dict)
    """What wearing each accessory does (``measure.accessories.TRIED_ON``)."""
    curves: Curves = field(default_factory=dict)
    """Measures against the outfit's scale, where they were asked for."""
    notes: tuple[str, ...] = ()
    """What these figures do not say: a person reads this first."""


def advice(figures: Mapping[str, Figure], matrix: Mapping[str, Mapping[str, Figure]]) -> list[str]:
    """What to do about every cell that fails, in words; empty where all is well."""
    found = []
    for asked, cells in matrix.items():
        for shown, figure in cells.items():
            if shown == asked or figure.value <= FAILS_ABOVE:
                continue
            rate = f"{figure.value:.0%} of {figure.n}"
            if asked == NEUTRAL:
                found.append(
                    f"Asked for the neutral layer, {_garment(shown)} shows ({rate}): give neutral pictures, or masks that "
                    "cover the whole garment; a garment outside its mask is learned as hers."
                )
            elif shown == NEUTRAL:
                found.append(
                    f"{asked} is not worn at all ({rate}): train it longer, give more pictures of it, or wear it at a higher scale."
                )
            elif shown == ANOTHER:
                found.append(
                    f"{asked} comes out as something else ({rate}): more pictures of it, or captions that leave its kind, colour "
                    "and pattern to its trigger word."
                )
            else:
                found.append(
                    f"{shown} shows where {asked} was asked for ({rate}): check that none of {asked}'s pictures shows {shown}, and that "
                    f"the masks of {shown} leave out skin and hair."
                )
    if (who := figures["identity_fidelity"]).value < 0.95:
        found.append(f"She is herself in {who.value:.0%} only: more pictures for her identity, from every view, or more steps.")
    if (rest := figures["prompt_fidelity"]).value < 0.9:
        found.append(f"View, pose or background is right in {rest.value:.0%} only: name them in every caption, and vary them.")
    return found


def page(title: str, found: Measured) -> str:
    """The report as one HTML file; its notes stand first."""
    todo = advice(found.figures, found.matrix)
    parts = [
        *(f"<p><strong>{html.escape(line)}</strong></p>" for line in found.notes),
        _figures(found.figures),
        "<h2>Asked, and appeared</h2>",
        '<p class="faint">Each row is what was asked for, each column what showed. Green is as asked, red is not. '
        "A garment of the right kind in another colour or pattern is “another”; that alone is no burn-in.</p>",
        _heat(found.matrix),
        "<h2>What to do</h2>",
        "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in todo) + "</ul>"
        if todo
        else f"<p>Nothing: no cell is above {FAILS_ABOVE:.0%}.</p>",
        *(f"<h2>With {html.escape(name)}</h2>{_figures(tried, TRIED_ON)}" for name, tried in found.accessories.items()),
        f"<h2>How strongly the outfit is worn</h2>{drawing(found.curves)}" if found.curves else "",
        "<h2>The worst beside the best</h2>",
        *(_examples(name, shown) for name, shown in found.examples.items()),
        "" if found.examples else '<p class="faint">None: only measuring is agreed, so its pictures were counted and thrown away.</p>',
        "<h2>How far the reader can be trusted</h2>",
        _reader(found.reader),
    ]
    return paper.page(title, "\n".join(parts))


def _garment(shown: str) -> str:
    return "a garment" if shown == ANOTHER else shown


def _figures(figures: Mapping[str, Figure], what_it_is: Mapping[str, str] = WHAT_IT_IS) -> str:
    rows = "".join(
        f"<tr><th scope=row>{spoken(name)}<br><span class=faint>{what_it_is.get(name, '')}</span></th>"
        f"<td>{f.value:.1%}</td><td>{f.low:.1%} to {f.high:.1%}</td><td>{f.n}</td></tr>"
        for name, f in figures.items()
    )
    head = "<tr><th></th><th scope=col>value</th><th scope=col>95 % interval</th><th scope=col>n</th></tr>"
    return f'<div class="scroll"><table class="figures">{head}{rows}</table></div>'


def _heat(matrix: Mapping[str, Mapping[str, Figure]]) -> str:
    columns = list(next(iter(matrix.values())))
    head = "".join(f"<th scope=col>{html.escape(c)}</th>" for c in columns)
    body = "".join(
        f"<tr><th scope=row>{html.escape(asked)}</th>" + "".join(_cell(asked == c, cells[c]) for c in columns) + "</tr>"
        for asked, cells in matrix.items()
    )
    return f'<div class="scroll"><table class="heat"><tr><td style="border:0"></td>{head}</tr>{body}</table></div>'


def _cell(own: bool, figure: Figure) -> str:
    text = f"{figure.value:.0%}" if figure.value else "·"
    tint = f"color:var(--good); font-weight:{600 if figure.value >= 0.95 else 400}"
    if not own:
        tint = f"background:rgb(var(--bad) / {min(1.0, 3 * figure.value):.2f})" if figure.value else ""
    return f'<td style="{tint}" title="{figure.low:.1%} to {figure.high:.1%}, n = {figure.n}">{text}</td>'


def _examples(name: str, shown: Examples) -> str:
    cells = [*((e, "as asked") for e in shown.best), *((e, e.wrong) for e in shown.worst)]
    tiles = " ".join(
        f"<figure>{paper.picture(e.png, f'{name}: {says}')}<figcaption>{html.escape(says)}</figcaption></figure>" for e, says in cells
    )
    return f"<h3>{html.escape(name)}</h3><div>{tiles or '<p class=faint>none that may be shown</p>'}</div>"


def _reader(reader: Mapping[str, Mapping[str, float]]) -> str:
    names = list(dict.fromkeys(name for accuracy in reader.values() for name in accuracy))
    head = "".join(f"<th scope=col>{html.escape(kind)}</th>" for kind in reader)
    body = "".join(
        f"<tr><th scope=row>{html.escape(spoken(n))}</th>"
        + "".join(f"<td>{accuracy[n]:.1%}</td>" if n in accuracy else "<td>not asked</td>" for accuracy in reader.values())
        + "</tr>"
        for n in names
    )
    note = '<p class="faint">Every figure above was read by a network; this is how often it is right about true pictures.</p>'
    return f'{note}<div class="scroll"><table class="figures"><tr><th></th>{head}</tr>{body}</table></div>'
