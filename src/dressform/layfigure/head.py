"""Head, face, ears and hair: most of what makes one doll recognisable."""

from __future__ import annotations

import math

import numpy as np

from dressform.layfigure.canvas import OUTLINE, SHADE
from dressform.layfigure.doll import Identity
from dressform.layfigure.figure import Figure

CENTRE = 0.918
_RX, _RY, _RZ = 0.064, 0.078, 0.066


class Head:
    """Draws the head of one figure; ``ease`` units are figure heights."""

    def __init__(self, figure: Figure, identity: Identity) -> None:
        self.f, self.who = figure, identity
        self.rx, self.ry, self.rz = (r * figure.head for r in (_RX, _RY, _RZ))
        self.y = 0.838 + self.ry  # the chin stays on the neck whatever the head's size

    # helpers: positions on the head's ellipsoid -------------------------------------------------------
    def at(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Figure-space point from head-relative coordinates (1 = the head's own radius)."""
        return (x * self.rx, self.y + y * self.ry, z * self.rz)

    def blob(self, x: float, y: float, z: float, r: float, part: str, ry: float | None = None) -> None:
        """An ellipse centred at a head-relative point, with radii in head half-widths."""
        k = self.f.scale * self.rx
        self.f.canvas.ellipse(self.f.flat(self.at(x, y, z)), r * k, (ry or r) * k, part, outline=True)

    def shape(self, points: list[tuple[float, float, float]], part: str, tone_: int = 0, outline: bool = True) -> None:
        self.f.canvas.polygon(np.array([self.f.flat(self.at(*p)) for p in points]), part, tone_, outline)

    # drawing ------------------------------------------------------------------------------------------
    def draw_back_hair(self) -> None:
        """Everything of the hair that falls behind the body when seen from the front."""
        style = self.who.hair_style
        if style == "long":
            self.f.tower(self._fall(-4.6, 1.28, 1.40), "hair")
        elif style == "bob":
            self.f.tower(self._fall(-1.12, 1.25, 1.28), "hair")
        elif style == "ponytail":
            self._tail([(0, 0.55, -1.15), (0, 0.35, -1.75), (0, -1.2, -1.95), (0, -2.9, -1.55)], (0.30, 0.44, 0.40, 0.10))
        elif style == "twintails":
            for s in (-1, 1):
                path = [(s * 0.95, 0.35, -0.2), (s * 1.55, 0.05, -0.25), (s * 1.85, -1.3, -0.2), (s * 1.62, -2.9, 0.0)]
                self._tail(path, (0.26, 0.38, 0.36, 0.08))
        elif style == "bun":
            self.blob(0, 1.12, -0.55, 0.54, "hair")

    def draw_skull(self) -> None:
        """Neck excluded: the head itself, with human or pointed ears."""
        f = self.f
        k = f.scale
        half = math.hypot(self.rx * f.cos, self.rz * f.sin)
        cx, cy = f.flat((0.0, self.y, 0.0))
        t = np.linspace(0, 2 * math.pi, 28, endpoint=False)
        jaw = 1.0 - 0.20 * np.clip(np.sin(t), 0, 1) ** 2  # narrower towards the chin (picture y points down)
        contour = np.stack([cx + np.cos(t) * half * k * jaw, cy + np.sin(t) * self.ry * k], 1)
        f.canvas.polygon(contour, "skin")
        if f.view == "side":
            nose = [(0, 0.05, 0.97), (0, -0.22, 1.16), (0, -0.34, 0.93)]
            f.canvas.polygon(np.array([f.flat(self.at(*p)) for p in nose]), "skin", outline=False)
        self._human_ears()

    def draw_face(self) -> None:
        if self.f.view == "back":
            return
        for s in (-1, 1):
            self._eye(s)
        if self.f.view in ("front", "three-quarter"):
            for s in (-1, 1):
                p, seen = self.f.spot(self.at(s * 0.56, -0.36, 0.80), (s * 0.45, 0, 0.9))
                if seen > 0.45:
                    self.f.canvas.ellipse(p, 1.5, 0.9, "blush")
        mouth = [self.at(x, -0.52 - 0.06 * (1 - (x / 0.2) ** 2), 0.95) for x in (-0.2, 0.0, 0.2)]
        self.f.canvas.line([self.f.flat(p) for p in mouth], "line", OUTLINE, 0.7)

    def _eye(self, s: int) -> None:
        p, seen = self.f.spot(self.at(s * 0.40, -0.08, 0.90), (s * 0.40, 0, 0.92))
        if seen < 0.15:
            return
        k = self.f.scale * self.rx
        rx, ry = 0.205 * k * (0.55 + 0.45 * seen), 0.30 * k
        c = self.f.canvas
        c.ellipse(p, rx + 0.35, ry + 0.35, "line", OUTLINE)
        c.ellipse((p[0], p[1] + 0.1 * k), rx, ry * 0.85, "iris")
        c.ellipse((p[0] - rx * 0.3, p[1] - ry * 0.35), rx * 0.42, ry * 0.30, "eye_white")

    def _human_ears(self) -> None:
        for s in (-1, 1):
            p, seen = self.f.spot(self.at(s * 1.0, -0.12, -0.05), (s, 0, 0.0))
            if seen < -0.3:
                continue
            if self.who.ears == "pointed":
                if self.f.view != "side":  # from the side it is drawn over the hair
                    self.shape([(s * 0.86, 0.26, 0.05), (s * 2.30, 0.62, -0.60), (s * 0.92, -0.46, -0.15)], "ear")
            elif self.who.ears == "round":
                k = self.f.scale * self.rx
                self.f.canvas.ellipse(p, 0.21 * k, 0.28 * k, "ear", outline=True)

    def draw_ears_over_hair(self) -> None:
        """Cat and rabbit ears, and from the side the pointed ear that is nearer."""
        if self.who.ears == "pointed" and self.f.view == "side":
            self.shape([(0, 0.22, 0.12), (0, 0.80, -1.55), (0, -0.42, -0.18)], "ear")
        elif self.who.ears == "cat":
            if self.f.view == "side":
                for z in (0.48, -0.30):  # the far ear stands in front of the near one
                    self.shape([(0, 0.62, z - 0.56), (0, 1.85, z - 0.30), (0, 0.72, z + 0.48)], "ear")
                    self.shape([(0, 0.94, z - 0.34), (0, 1.50, z - 0.24), (0, 0.94, z + 0.20)], "blush", outline=False)
                return
            for s in (-1, 1):
                self.shape([(s * 1.02, 0.50, 0.05), (s * 1.04, 1.95, 0.1), (s * 0.14, 0.98, 0.1)], "ear")
                if self.f.view != "back":
                    self.shape([(s * 0.88, 0.84, 0.1), (s * 0.92, 1.58, 0.1), (s * 0.42, 1.06, 0.1)], "blush", outline=False)
        elif self.who.ears == "rabbit":
            for s in (-1, 1):
                z = 0.32 * s
                a, b = np.array(self.at(s * 0.42, 0.85, z)), np.array(self.at(s * 0.60, 2.05, z))
                self.f.capsule(a, b, 0.26 * self.rx, 0.22 * self.rx, "ear")
                if self.f.view != "back":
                    self.f.capsule(a * 0.8 + b * 0.2, b, 0.11 * self.rx, 0.10 * self.rx, "blush", outline=False)

    def draw_front_hair(self) -> None:
        """The cap of hair over the skull and the fringe."""
        view, style = self.f.view, self.who.hair_style
        if style == "curly":
            self._curls()
            return
        if view == "back":
            low = {"short": -0.55, "bob": -1.05, "long": -1.0}.get(style, -0.62)
            self._cap_back(low)
            if style == "ponytail":
                self.blob(0, 0.42, -1.1, 0.30, "hair")
            if style == "bun":
                self.blob(0, 0.72, -1.0, 0.50, "hair")
            return
        self._cap_front()
        if style == "long" and view != "side":
            self._locks()
        if style == "twintails" and view == "side":  # the near one hangs over the shoulder
            self._tail([(0, 0.42, -0.50), (0, 0.00, -0.98), (0, -1.30, -1.12), (0, -2.9, -0.80)], (0.26, 0.40, 0.40, 0.10))

    # hair pieces --------------------------------------------------------------------------------------
    def _fall(self, low: float, top_width: float, low_width: float) -> list[tuple[float, float, float, float]]:
        ys = np.linspace(0.7, low, 7)
        rows = []
        for i, y in enumerate(ys):
            t = i / 6
            w = (0.9 if i == 0 else top_width + (low_width - top_width) * t) * (0.86 if i == 6 else 1.0)
            rows.append((self.y + y * self.ry, w * self.rx, 0.62 * self.rz, -(0.50 + 0.55 * t) * self.rz))
        return rows

    def _locks(self) -> None:
        """Long hair over both shoulders, so that it is long from the front too; the far lock begins below the face."""
        turned = self.f.view == "three-quarter"
        for s in (-1, 1):
            top = [] if turned and s > 0 else [(s * 1.02, -0.20, 0.1)]
            path = [*top, (s * 1.10, -1.10, 0.2), (s * 1.10, -2.2, 0.5), (s * 1.02, -3.7, 0.6)]
            self._tail(path, (0.30, 0.40, 0.42, 0.14)[4 - len(path) :])

    def _tail(self, path: list[tuple[float, float, float]], radii: tuple[float, ...]) -> None:
        points = [np.array(self.at(*p)) for p in path]
        for outline in (True, False):
            for a, b, ra, rb in zip(points, points[1:], radii, radii[1:], strict=False):
                self.f.capsule(a, b, ra * self.rx, rb * self.rx, "hair", outline)

    def _cap_back(self, low: float) -> None:
        k = self.f.scale
        cx, cy = self.f.flat((0, self.y, 0))
        t = np.linspace(math.pi, 2 * math.pi, 15)
        top = np.stack([cx + 1.12 * self.rx * k * np.cos(t), cy + 1.12 * self.ry * k * np.sin(t)], 1)
        hem_y = cy - low * self.ry * k
        hem = [(cx + x * self.rx * k, hem_y + d) for x, d in ((1.02, -1.0), (0.5, 0.8), (0, 0.0), (-0.5, 0.8), (-1.02, -1.0))]
        self.f.canvas.polygon(np.concatenate([top, np.array(hem)]), "hair")
        shade = [(cx + x * self.rx * k, cy + y * self.ry * k) for x, y in ((0.45, -0.8), (0.98, -0.1), (0.9, 0.55), (0.5, 0.55))]
        self.f.canvas.polygon(np.array(shade), "hair", SHADE, outline=False)

    def _cap_front(self) -> None:
        """Upper half of an enlarged skull, cut by a fringe line that turns with the head."""
        f, k = self.f, self.f.scale
        half = 1.13 * math.hypot(self.rx * f.cos, self.rz * f.sin) * k
        cx, cy = f.flat((0, self.y, 0))
        t = np.linspace(math.pi, 2 * math.pi, 15)
        top = np.stack([cx + half * np.cos(t), cy + 1.13 * self.ry * k * np.sin(t)], 1)
        low = {"short": 0.30, "bob": 0.95, "long": 0.95}.get(self.who.hair_style, 0.30)
        ry = self.ry * k
        if f.view == "front":
            line = [(1.0, low), (0.80, low + 0.05), (0.74, -0.12), (0.42, -0.34), (0.22, -0.18), (-0.06, -0.40),
                    (-0.34, -0.16), (-0.60, -0.34), (-0.76, -0.08), (-0.80, low + 0.05), (-1.0, low)]  # fmt: skip
        elif f.view == "three-quarter":
            line = [(1.0, -0.05), (0.90, -0.10), (0.62, -0.36), (0.40, -0.16), (0.10, -0.40), (-0.16, -0.16),
                    (-0.30, -0.20), (-0.40, low + 0.05), (-0.75, low + 0.12), (-1.0, low)]  # fmt: skip
        else:
            line = [(0.98, -0.22), (0.72, -0.36), (0.52, -0.14), (0.26, -0.22), (0.12, 0.10), (-0.05, low + 0.02),
                    (-0.55, low + 0.15), (-1.0, low)]  # fmt: skip
        hem = np.array([(cx + x * half * 0.98, cy + y * ry) for x, y in line])
        f.canvas.polygon(np.concatenate([top, hem]), "hair")
        glint = np.array([(cx + x * half, cy + y * ry) for x, y in ((0.28, -0.98), (0.62, -0.80), (0.90, -0.35), (0.62, -0.55))])
        f.canvas.polygon(glint, "hair", SHADE, outline=False)

    def _curls(self) -> None:
        back = self.f.view == "back"
        ring = [(math.cos(a), math.sin(a)) for a in np.linspace(-0.35, math.pi + 0.35, 9)]
        if back:
            ring += [(-0.7, -0.75), (0.0, -0.95), (0.7, -0.75)]
        half = math.hypot(self.rx * self.f.cos, self.rz * self.f.sin)
        k = self.f.scale
        cx, cy = self.f.flat((0, self.y, 0))
        lean = -0.18 if self.f.view == "side" else -0.08 if self.f.view == "three-quarter" else 0.0
        spots = [(cx + (x * 1.0 + lean) * half * k, cy - (y * 0.95 + 0.05) * self.ry * k) for x, y in ring]
        if self.f.view == "side":
            spots += [(cx - 0.75 * half * k, cy + 0.45 * self.ry * k), (cx - 0.95 * half * k, cy)]
        r = 0.47 * self.rx * k
        for outline in (True, False):
            for p in spots:
                self.f.canvas.ellipse(p, r, r, "hair", outline=outline)
        if back:
            self.f.canvas.ellipse((cx, cy), self.rx * k, 0.95 * self.ry * k, "hair")
        else:
            wave = [(-0.95, -0.25), (-0.6, -0.85), (0, -1.0), (0.6, -0.85), (0.95, -0.25)]
            wave += [(0.55, -0.30), (0.2, -0.5), (-0.2, -0.3), (-0.55, -0.45)]
            fringe = np.array([(cx + (x + lean) * half * k, cy + y * self.ry * k) for x, y in wave])
            self.f.canvas.polygon(fringe, "hair", outline=False)
