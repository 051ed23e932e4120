"""Drawing a program: every statement runs while it is drawn, and what is refused is drawn again."""

import math
from collections.abc import Callable
from random import Random
from typing import Any, ClassVar

import rgrad as rg
from programs.arguments import BY_VALUE, DTYPES, NUMBERS, Piece, index_of, literal, no_tensor
from programs.numbers import numbers
from programs.program import Program
from programs.reference import wrong_value
from programs.run import names_for
from programs.signatures import IN_PLACE, OPERATIONS, Parameter

# One below and above the lanes and tiles, and small ones.
SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33]
LARGE = [1, 3, 64, 129, 300, 1025]
INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "matmul": "@", "lt": "<", "ge": ">=", "eq": "=="}
CASTS = [
    "double()",
    "float()",
    "long()",
    "clone()",
    "contiguous()",
    "detach()",
    "T",
    "mT",
    "view(-1)",
]
FLOATS = (rg.float32, rg.float64)
ATTEMPTS = 4


class Refused(Exception):
    """A statement that was drawn cannot stand; another is drawn."""


class Drawing:
    """A program so far, with the values that its statements had when they were drawn."""

    allowed: ClassVar[list[str]] = list(OPERATIONS)

    def __init__(self, seed: int) -> None:
        self.r = r = Random(seed)
        self.large = r.random() < 0.03
        universe = LARGE if self.large else SIZES
        self.sizes = [*r.sample(universe, 3), 1, r.choice((0, 1, 2, 3))]
        self.limit = 300_000 if self.large else 3_000
        self.dtype = r.choice(("float32", "float32", "float64"))
        self.program = Program()
        self.tensors: list[Piece] = []
        self.functions: list[Piece] = []
        self.modules: list[Piece] = []
        self.pending: list[tuple[str, Piece]] = []
        self.names = names_for()
        self.body = self.program.body
        self.count = 0
        #: Rows of a batch, if the program has an epoch.
        self.rows = 0
        #: An argument that is a number.
        self.scalar: Piece | None = None
        #: The operations that stand in the program.
        self.drawn: list[str] = []
        #: What differs from NumPy and from finite differences.
        self.wrong: list[tuple[str, str]] = []

    def name(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    # Tensors from outside.

    def shape(self) -> tuple[int, ...]:
        for _ in range(9):
            shape = tuple(self.r.choice(self.sizes) for _ in range(self.r.choice((0, 1, 1, 2, 2, 2, 3))))
            if math.prod(shape) <= self.limit:
                return shape
        return ()

    def plain(self, shape: tuple[int, ...], dtype: str, kind: str) -> Piece:
        """What makes a tensor of that shape, in row-major order."""
        # What goes with a tensor without elements may be of any size.
        if math.prod(shape) > 100 * self.limit:
            raise Refused
        seed = self.r.randrange(1000)
        return Piece(f"numbers({shape}, {dtype!r}, {kind!r}, {seed})", numbers(shape, dtype, kind, seed))

    def values(self, shape: tuple[int, ...], dtype: str, kind: str) -> Piece:
        """The same, perhaps as a view of a larger tensor."""
        r = self.r

        def of(shape: tuple[int, ...]) -> Piece:
            return self.plain(shape, dtype, kind)

        match r.randrange(8):
            case 0 if len(shape) > 1:
                made = of(shape[::-1])
                return Piece(
                    f"{made.text}.permute({tuple(range(len(shape)))[::-1]})",
                    made.value.permute(tuple(range(len(shape)))[::-1]),
                )
            case 1 if shape:
                made = of((2 * shape[0], *shape[1:]))
                return Piece(f"{made.text}[::2]", made.value[::2])
            case 2 if shape:
                made = of((*shape[:-1], shape[-1] + 1))
                return Piece(f"{made.text}[..., 1:]", made.value[..., 1:])
            case 3 if shape and r.random() < 0.3:
                made = of(shape[1:])
                return Piece(f"{made.text}.expand({shape})", made.value.expand(shape))
        return of(shape)

    def kind(self, dtype: str) -> str:
        if dtype in ("float32", "float64"):
            return self.r.choice(("normal", "normal", "normal", "positive", "unit", "whole", "special"))
        return "bit" if dtype == "bool" else self.r.choice(("whole", "index"))

    def captured(self, shape: tuple[int, ...], dtype: str | None = None, kind: str | None = None) -> Piece:
        """A new tensor that the function captures; it stays if the statement does."""
        dtype = dtype or self.r.choice((self.dtype,) * 6 + ("float32", "int64", "int32", "uint8", "bool"))
        made = self.values(shape, dtype, kind or self.kind(dtype))
        text, value = made
        if dtype[0] == "f" and self.r.random() < 0.25 and value.is_leaf:
            text, value = f"{text}.requires_grad_()", value.requires_grad_()
        piece = Piece(self.name("c"), value)
        self.pending.append((f"{piece.text} = {text}", piece))
        return piece

    def commit(self) -> None:
        for line, piece in self.pending:
            self.program.setup.append(line)
            self.names[piece.text] = piece.value
            if isinstance(piece.value, rg.Tensor):
                self.tensors.append(piece)
                if self.r.random() < 0.1:
                    self.hold(piece)
        self.pending.clear()

    def hold(self, piece: Piece) -> None:
        """Puts a captured tensor into an object, a dict or a list, by which the function may find it too."""
        name = self.name("n")
        make, find = self.r.choice((("types.SimpleNamespace(t={})", ".t"), ("{{'t': {}}}", "['t']"), ("[{}]", "[0]")))
        text = make.format(piece.text)
        self.program.setup.append(f"{name} = {text}")
        self.names[name] = eval(text, self.names)
        self.tensors.append(Piece(name + find, piece.value))

    # Operands.

    def some(self, fits: Callable[[rg.Tensor], bool]) -> Piece | None:
        """A tensor that there is, rather one of the last."""
        found = [p for p in self.tensors if fits(p.value)]
        if not found:
            return None
        return found[-1 - min(int(self.r.expovariate(0.5)), len(found) - 1)]

    def first(self, op: str, parameter: Parameter) -> Piece:
        if parameter.name == "tensor":  # one_hot
            return self.captured(self.shape(), "int64", "index")
        if op.startswith("bitwise"):
            return self.some(lambda t: not t.dtype.is_floating_point) or self.captured(self.shape(), "int64")
        if self.r.random() < 0.1:
            return self.captured(self.shape())
        return self.some(lambda t: True) or self.captured(self.shape())

    def beside(self, op: str, name: str, x: rg.Tensor, last: rg.Tensor) -> tuple[int, ...]:
        """A shape that may fit as an operand beside ``x`` and the operand before."""
        r, s = self.r, tuple(x.shape)
        size = r.choice(self.sizes)
        match name:
            case "index" | "indices":
                return (size,) if op == "index_select" else (*s[:-1], size)
            case "target":
                return r.choice((s[:1] + s[2:], s, s))
            case "weight" | "bias" | "running_mean" | "running_var" | "pos_weight":
                return r.choice((s[-1:], s[1:2], (size, *s[-1:]), tuple(last.shape[:1]), s))
            case "mat":
                return (*s[-1:], size)
            case "mat1" | "batch1":
                return (*s[:-1], size)
            case "mat2" | "batch2" | "vec":
                t = tuple(last.shape)
                return r.choice(((*t[:-2], *t[-1:], size), (*t[:-2], *t[-1:], *s[-1:]), t[-1:]))
            case _ if op in ("matmul", "tensordot", "inner", "linear"):
                return r.choice((s[-1:], (*s[-1:], size), (*s[:-2], *s[-1:], size), (size, *s[-1:])))
        same = tuple(1 if r.random() < 0.2 else n for n in s)
        return r.choice((s, s, same, s[1:], s[-1:], (), same))

    def operand(self, op: str, parameter: Parameter, x: rg.Tensor, last: rg.Tensor) -> Piece:
        r, name = self.r, parameter.name
        if name == "index" and op == "index_put":
            index = self.index(x)
            return Piece(f"np.s_[{index.text}]", index.value)
        if name in ("index", "indices") or (name == "target" and r.random() < 0.4):
            return self.captured(self.beside(op, name, x, last), r.choice(("int64", "int64", "int32")), "index")
        if name in ("condition", "mask"):
            mask = self.some(lambda t: t.dtype == rg.bool)
            return mask if mask and r.random() < 0.5 else self.captured(self.beside(op, name, x, last), "bool", "bit")
        if r.random() < 0.1:
            return self.scalar if self.scalar and r.random() < 0.5 else literal(r.choice(NUMBERS))
        shape = self.beside(op, name, x, last)
        if r.random() < 0.6:
            found = self.some(lambda t: tuple(t.shape) == shape)
            if found:
                return found
        kind = "positive" if name == "running_var" else "unit" if name == "target" else None
        return self.captured(shape, str(x.dtype.name) if r.random() < 0.8 else None, kind)

    def index(self, x: rg.Tensor) -> Piece:
        if self.r.random() < 0.03:
            mask = self.captured(tuple(x.shape), "bool", "bit")
            return mask
        if self.r.random() < 0.2 and x.ndim:
            return self.captured((self.r.choice(self.sizes),), "int64", "index")
        return index_of(self.r, x)

    # Statements.

    def given(self, op: str, parameters: list[Parameter], x: Piece) -> tuple[list[Piece], dict[str, Piece]]:
        """Arguments for the parameters after the first."""
        r, last = self.r, x.value
        args: list[Piece] = []
        named: dict[str, Piece] = {}
        skipped = False
        for p in parameters:
            if p.optional and not p.variadic and r.random() < 0.55:
                skipped = True
                continue
            for _ in range(r.choice((1, 2)) if p.variadic and p.kind in ("tensor", "tensors") else 1):
                piece = no_tensor(r, op, p.name, p.kind, x.value) or self.operand(op, p, x.value, last)
                if isinstance(piece.value, rg.Tensor):
                    last = piece.value
                if p.by_name or skipped:
                    named[p.name] = piece
                else:
                    args.append(piece)
        return args, named

    def call(self, op: str) -> tuple[str, str, list[Any], dict[str, Any]]:
        """A call of an operation: its source, name and arguments."""
        r, parameters = self.r, OPERATIONS[op]
        if parameters[0].kind == "tensors":
            x = self.some(lambda t: True) or self.captured(self.shape())
            more = [self.operand(op, parameters[0], x.value, x.value) for _ in range(r.choice((1, 1, 2)))]
            parts = [x, *more]
            sequence = Piece(f"[{', '.join(p.text for p in parts)}]", [p.value for p in parts])
            args, named = self.given(op, parameters[1:], x)
            args.insert(0, sequence)
        elif op == "einsum":
            equation = no_tensor(r, op, "equation", "str", rg.ones(1))
            x = self.first(op, parameters[1])
            args, named = [equation, x, *self.given(op, parameters[1:], x)[0][: equation.text.count(",")]], {}
        else:
            x = self.first(op, parameters[0])
            args, named = self.given(op, parameters[1:], x)
            args.insert(0, x)
        texts = [p.text for p in args] + [f"{k}={p.text}" for k, p in named.items()]
        text = f"rg.{op}({', '.join(texts)})"
        if op in INFIX and len(args) == 2 and not named and r.random() < 0.5:
            text = f"{args[0].text} {INFIX[op]} {args[1].text}"
        elif hasattr(rg.Tensor, op) and isinstance(args[0].value, rg.Tensor) and r.random() < 0.3:
            text = f"{texts[0]}.{op}({', '.join(texts[1:])})"
        return text, op, [p.value for p in args], {k: p.value for k, p in named.items()}

    def keep(self, text: str, value: Any) -> None:
        """The statement ``name = text``, if it is small enough; of several results, one."""
        if not isinstance(value, rg.Tensor):
            items = list(value)
            chosen = [i for i, item in enumerate(items) if isinstance(item, rg.Tensor)]
            if not chosen:
                raise Refused
            i = self.r.choice(chosen)
            text, value = f"{text}[{i}]", items[i]
        if value.numel() > self.limit:
            raise Refused
        self.commit()
        piece = Piece(self.name("v"), value)
        self.names[piece.text] = value
        self.body.append(f"{piece.text} = {text}")
        self.tensors.append(piece)

    def operation(self) -> None:
        op = self.r.choice(self.allowed)
        if op in BY_VALUE and self.r.random() < 0.9:
            raise Refused
        text, op, args, named = self.call(op)
        value = getattr(rg, op)(*args, **named)
        if self.dtype == "float64":
            told = wrong_value(op, args, named, value)
            if told:
                self.wrong.append(("numpy", told))
        self.keep(text, value)
        self.drawn.append(op)

    def mistake(self) -> None:
        """A call that is refused: it ends the function, and has to do so in the same way when it is compiled."""
        text, op, args, named = self.call(self.r.choice(self.allowed))
        try:
            getattr(rg, op)(*args, **named)
        except Exception:
            self.commit()
            self.body.append(text)
            return
        raise Refused

    def other_method(self) -> None:
        """Methods that are no operations."""
        x = self.some(lambda t: True)
        if x is None:
            raise Refused
        method = self.r.choice((*CASTS, f"to({self.r.choice(DTYPES)!r})"))
        text = f"{x.text}.{method}"
        self.keep(text, eval(text, self.names))

    def indexing(self) -> None:
        x = self.some(lambda t: t.ndim > 0)
        if x is None:
            raise Refused
        index = self.index(x.value)
        self.keep(f"{x.text}[{index.text}]", x.value[index.value])

    def write(self) -> None:
        """A method in place, or an assignment to an index, on whatever there is."""
        r = self.r
        x = self.some(lambda t: True)
        if x is None:
            raise Refused
        unguarded = not x.value.requires_grad
        if r.random() < 0.4:
            index, value = (
                self.index(x.value),
                self.operand("where", Parameter("value", "tensor", False, False, False), x.value, x.value),
            )
            text = f"{x.text}[{index.text}] = {value.text}"
            with rg.no_grad():
                x.value[index.value] = value.value
        else:
            method = r.choice(list(IN_PLACE))
            args, named = self.given(method, IN_PLACE[method], x)
            texts = [p.text for p in args] + [f"{k}={p.text}" for k, p in named.items()]
            text = f"{x.text}.{method}({', '.join(texts)})"
            with rg.no_grad():
                getattr(x.value, method)(*(p.value for p in args), **{k: p.value for k, p in named.items()})
        self.commit()
        self.body.append(text if unguarded and r.random() < 0.8 else f"with rg.no_grad():\n    {text}")

    def attempt(self, statement: Callable[[], None]) -> bool:
        """Draws a statement until one stands; whether one did."""
        grown = (self.body, self.program.setup, self.tensors, self.modules)
        sizes = [len(part) for part in grown]
        for _ in range(ATTEMPTS):
            self.pending.clear()
            try:
                statement()
            except Exception:
                for part, size in zip(grown, sizes, strict=True):
                    del part[size:]
                continue
            return True
        return False
