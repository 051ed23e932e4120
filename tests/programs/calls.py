"""The calls of a program: other values, arguments that share memory, and what happens between calls."""

import re

from programs.arguments import NUMBERS, Piece
from programs.derivatives import Derivatives


def like(t, kind: str, seed: int) -> str:
    """Other numbers of the shape and dtype of a tensor, as source."""
    return f"numbers({tuple(t.shape)}, {t.dtype.name!r}, {kind!r}, {seed})"


class Calls(Derivatives):
    """Adds the calls to the statements."""

    def other(self, piece: Piece) -> str:
        """Numbers of the same shape and dtype."""
        return like(piece.value, self.kind(piece.value.dtype.name), self.r.randrange(1000))

    def calls(self, made: list[Piece]) -> list[str]:
        """Three calls or four: the first of the arguments that the program was drawn with."""
        r = self.r
        scalar = [self.scalar] if self.scalar else []
        lines = []
        for call in range(r.choice((3, 3, 4))):
            between = self.between() if call and r.random() < 0.3 else []
            lines += between
            values = [m.text for m in made]
            if call:
                values = [self.other(m) for m in made]
                if r.random() < 0.25:
                    lines += self.shared(made, values)
            given = ", ".join([*values, *(repr(s.value if r.random() < 0.7 else r.choice(NUMBERS)) for s in scalar)])
            lines.append(f"yield {given}{',' * (len(values) + len(scalar) == 1)}")
        return lines

    def shared(self, made: list[Piece], values: list[str]) -> list[str]:
        """Makes some of the values share memory with each other or with what is captured; returns lines before."""
        r = self.r
        i = r.randrange(len(made))
        t = made[i].value
        alike = [j for j, m in enumerate(made) if j != i and m.value.shape == t.shape and m.value.dtype == t.dtype]
        captured = [p for p in self.tensors if p.text[0] in "cn" and p.value.is_contiguous()]
        outside = [p.text for p in captured if p.value.shape == t.shape and p.value.dtype == t.dtype]
        if alike and r.random() < 0.7:
            base, j = self.name("b"), r.choice(alike)
            if t.ndim and r.random() < 0.5:
                # Neighbouring rows that overlap.
                larger = (t.shape[0] + 1, *t.shape[1:])
                values[i], values[j] = f"{base}[1:]", f"{base}[:-1]"
                return [f"{base} = numbers({larger}, {t.dtype.name!r}, 'normal', {r.randrange(1000)})"]
            values[i] = base
            values[j] = r.choice((base, f"{base}[...]", f"rg.from_numpy({base}.numpy())"))
            return [f"{base} = {self.other(made[i])}"]
        if outside:
            values[i] = r.choice((f"{r.choice(outside)}.detach()", r.choice(outside)))
        return []

    def between(self) -> list[str]:
        """Captured tensors are written to, replaced or swapped, modes and settings change."""
        r = self.r
        lines = []
        for p in self.tensors:
            if p.text[0] in "cn" and r.random() < 0.3:
                new = self.other(p)
                taped = ".requires_grad_()" * p.value.requires_grad
                lines.append(r.choice((f"{p.text} = {new}{taped}", f"with rg.no_grad():\n    {p.text}.copy_({new})")))
        for m in self.modules:
            if r.random() < 0.3:
                change = r.choice(("eval()", "train()", "requires_grad_(False)", "zero_grad()"))
                lines.append(f"{m.text}.{change}")
        pairs = [
            (a.text, b.text)
            for a in self.modules
            for b in self.modules
            if a.text < b.text and type(a.value) is type(b.value)
        ]
        if pairs and r.random() < 0.3:
            a, b = r.choice(pairs)
            lines.append(f"{a}, {b} = {b}, {a}")
        for name in re.findall(r"^(o\d+) = ", "\n".join(self.program.setup), re.MULTILINE):
            if r.random() < 0.3:
                lines.append(f"{name}.param_groups[0]['lr'] = {r.choice((0.01, 0.2))}")
        return lines
