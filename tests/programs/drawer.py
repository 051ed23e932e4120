"""The whole of a program: arguments, statements, results and calls."""

import re

import rgrad as rg
from programs.arguments import NUMBERS, Piece, literal
from programs.calls import Calls
from programs.derivatives import is_float
from programs.draw import Refused
from programs.program import Program


class Drawer(Calls):
    """Draws one program."""

    def draw(self) -> Program:
        """The program, whose first call has the values that its statements were drawn with."""
        r, program = self.r, self.program
        rg.set_default_dtype(rg.float32)
        rg.manual_seed(0)
        if self.dtype == "float64" and r.random() < 0.15:
            program.setup.append("rg.set_default_dtype(rg.float64)")
            rg.set_default_dtype(rg.float64)
        if r.random() < 0.05 and not self.large:
            self.rows = r.choice((1, 2, 3, 8, 9, 16))
        given = self.arguments()
        if r.random() < 0.06:
            program.decorators.append("@rg.no_grad()")
            with rg.no_grad():
                self.statements()
        else:
            self.statements()
        program.results = self.results()
        program.calls = self.calls(given)
        if self.rows:
            self.epoch(given)
        program.enclosed = not self.rows and r.random() < 0.2
        rg.set_default_dtype(rg.float32)
        return program

    def arguments(self) -> list[Piece]:
        """Tensors, often of one shape, and perhaps a number; what makes the tensors."""
        r, made = self.r, []
        shape = self.shape()
        for i in range(r.choice((1, 2, 2, 3))):
            own = shape if r.random() < 0.5 else self.shape()
            made.append(self.values((self.rows, *own[1:]) if self.rows else own, self.dtype, self.kind(self.dtype)))
            self.names[f"x{i}"] = made[-1].value
            self.tensors.append(Piece(f"x{i}", made[-1].value))
        self.program.arguments = [p.text for p in self.tensors]
        if r.random() < 0.1 and not self.rows:
            number = literal(r.choice(NUMBERS))
            self.scalar = Piece("x9", number.value)
            self.names["x9"] = number.value
            self.program.arguments.append("x9")
        return made

    def statements(self) -> None:
        r = self.r
        weights = {
            self.operation: 60,
            self.indexing: 5,
            self.write: 9,
            self.leaf: 8,
            self.gradient: 6,
            self.backward: 4,
            self.forget: 2,
            self.hook: 1,
            self.own: 1,
            self.transform: 7,
            self.module: 5,
            self.training: 4,
            self.random: 2,
            self.constant: 3,
            self.other_method: 4,
        }
        for statement in r.choices(list(weights), list(weights.values()), k=r.choice((2, 4, 6, 8, 12))):
            self.attempt(statement)
        if self.rows:
            self.attempt(self.training)
            self.attempt(self.scalar_result)
        elif r.random() < 0.04:
            self.attempt(self.mistake)

    def scalar_result(self) -> None:
        """What an epoch stacks."""
        y = self.some(is_float)
        if y is None:
            raise Refused
        text = self.loss(y.text)
        self.keep(text, self.eval(text))

    def epoch(self, given: list[Piece]) -> None:
        """An epoch on more rows, often with a smaller last batch."""
        r, program = self.r, self.program
        names = [p.text for p in self.tensors if p.text[0] == "v" and not p.value.ndim]
        program.results = names[-2:]
        rows = self.rows * r.choice((1, 2, 3)) + r.choice((0, 1, self.rows - 1))
        for made in given:
            shape, dtype = (rows, *made.value.shape[1:]), made.value.dtype.name
            program.data.append(f"numbers({shape}, {dtype!r}, {self.kind(dtype)!r}, {r.randrange(1000)})")
        program.options = f"batch_size={self.rows}, shuffle={r.random() < 0.5}, drop_last={r.random() < 0.2}"

    def results(self) -> list[str]:
        """What nothing else reads, and some more."""
        r = self.r
        own = [p.text for p in self.tensors if p.text[0] == "v"] or ["x0"]
        read = set(re.findall(r"\bv\d+\b", re.sub(r"^ *v\d+ = ", "", "\n".join(self.body), flags=re.MULTILINE)))
        unread = [name for name in own if name not in read]
        return sorted({*unread[-5:], *r.sample(own, min(len(own), r.choice((0, 1, 2))))} or {own[-1]})


def draw(seed: int) -> Program:
    """The program of this seed."""
    return Drawer(seed).draw()
