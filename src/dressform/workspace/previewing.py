"""Pictures while training, one for each adapter as it stands: kept in the store, as private as what they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dressform.adapters.stack import AdapterStack
from dressform.consent.gate import Grant
from dressform.consent.scopes import Scope
from dressform.dress.sampler import Row, SampleConfig, draw
from dressform.pictures import intake
from dressform.records import Picture
from dressform.workspace.workspace import Workspace


def preview(
    workspace: Workspace, grant: Grant[Scope], place: str, pictures: Sequence[Picture], stack: AdapterStack, outfits: Sequence[str | None]
) -> None:  # fmt: skip
    """Write one sheet to ``place``: a picture for each of the first columns of the stack, which are ``outfits`` (None: the identity).

    The last column, where there are more, is the frozen identity. Raises Refused where consent was taken back meanwhile.
    """
    columns = len(stack.adapters)
    rows = []
    for i, outfit in enumerate(outfits):
        shown = next((p for p in pictures if p.outfit == outfit), pictures[0])
        gates = tuple(float(c in (i, len(outfits))) for c in range(columns))
        rows.append(Row(workspace.caption(replace(shown, outfit=outfit)), 0, gates))
    drawn = draw(workspace.backbone, stack, rows, SampleConfig(steps=12))
    sheet = np.concatenate(list(drawn.permute(0, 2, 3, 1).numpy()), axis=1)
    workspace.stands(grant, [adapter.sha256 for adapter in stack.adapters])
    workspace.store.write(place, intake.png(sheet))
