"""The whole of a program: arguments, statements, results and calls."""

import re

from programs.arguments import Piece
from programs.derivatives import Derivatives
from programs.program import Program


class Drawer(Derivatives):
    """Draws one program."""

    def draw(self) -> Program:
        r = self.r
        arguments = [
            Piece(f"x{i}", self.values(self.shape(), self.dtype, self.kind(self.dtype)))
            for i in range(r.choice((1, 2, 2, 3)))
        ]
        for name, made in arguments:
            self.names[name] = made.value
            self.tensors.append(Piece(name, made.value))
        self.program.arguments = [p.text for p in arguments]
        statements = [
            self.operation,
            self.indexing,
            self.write,
            self.leaf,
            self.gradient,
            self.backward,
            self.forget,
            self.transform,
            self.module,
            self.training,
            self.random,
            self.constant,
        ]
        weights = [60, 5, 9, 8, 6, 4, 2, 7, 5, 4, 2, 3]
        for statement in r.choices(statements, weights, k=r.choice((2, 4, 6, 8, 12))):
            self.attempt(statement)
        own = [p.text for p in self.tensors if p.text[0] == "v"] or [arguments[0].text]
        read = set(re.findall(r"\bv\d+\b", re.sub(r"^ *v\d+ = ", "", "\n".join(self.body), flags=re.MULTILINE)))
        unread = [name for name in own if name not in read]
        self.program.results = sorted({*unread[-5:], *r.sample(own, min(len(own), r.choice((0, 1, 2))))})
        self.program.calls = self.calls([p.value for p in arguments])
        return self.program

    def calls(self, made: list[Piece]) -> list[str]:
        """Three calls: of the same arguments, of others, and sometimes of arguments that share memory."""
        r = self.r
        lines = []
        for call in range(3):
            if call and r.random() < 0.15:
                lines += self.between()
            values = [m.text if not call else self.other(m) for m in made]
            lines.append(f"yield {', '.join(values)}{',' * (len(values) == 1)}")
        return lines

    def other(self, made: Piece) -> str:
        """Other values of the same shape and dtype."""
        r = self.r
        shape, dtype = tuple(made.value.shape), made.value.dtype.name
        fits = [
            p.text
            for p in self.tensors
            if p.text[0] == "c" and tuple(p.value.shape) == shape and p.value.dtype.name == dtype
        ]
        if fits and r.random() < 0.1:
            return r.choice(fits)
        return f"numbers({shape}, {dtype!r}, {self.kind(dtype)!r}, {r.randrange(1000)})"

    def between(self) -> list[str]:
        """What happens between calls: captured tensors are written to or replaced, modes change."""
        r = self.r
        lines = []
        for p in self.tensors:
            if p.text[0] == "c" and r.random() < 0.4:
                shape, dtype = tuple(p.value.shape), p.value.dtype.name
                new = f"numbers({shape}, {dtype!r}, {self.kind(dtype)!r}, {r.randrange(1000)})"
                taped = ".requires_grad_()" * p.value.requires_grad
                lines.append(r.choice((f"{p.text} = {new}{taped}", f"with rg.no_grad():\n    {p.text}.copy_({new})")))
        lines += [r.choice((f"{m.text}.eval()", f"{m.text}.train()")) for m in self.modules if r.random() < 0.4]
        return lines


def draw(seed: int) -> Program:
    """The program of this seed."""
    return Drawer(seed).draw()
