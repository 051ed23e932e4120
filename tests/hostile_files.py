"""Files that are drawn at random: as a program writes them, as none does, and damaged. For `fuzz_files.py`."""

import gzip
import io
import json
import struct
import zipfile
from functools import cache

import numpy as np

NUMBERS = (
    0,
    1,
    2,
    3,
    7,
    8,
    255,
    256,
    1000,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**32,
    2**61,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
TEXTS = (
    "",
    " ",
    "x",
    "é",
    "\0",
    "a\0b",
    "\n",
    "\ufeff",
    "😀",
    "\u202e",
    '"',
    "'",
    "\\",
    "x" * 300,
    "../x",
    "__proto__",
)


def damaged(random, content):
    """The same with some bytes changed, taken away, put in or repeated."""
    content = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        place = random.randrange(len(content) + 1)
        length = min(random.choice((1, 1, 2, 4, 8, 64)), len(content) - place)
        kind = random.randrange(8)
        if kind == 0 and length:
            content[place] ^= 1 << random.randrange(8)
        elif kind == 1:
            content[place : place + length] = random.randbytes(length)
        elif kind == 2:
            del content[place : place + length]
        elif kind == 3:
            content[place:place] = random.randbytes(random.choice((1, 2, 8)))
        elif kind == 4:
            content[place:place] = content[place : place + length]
        elif kind == 5:
            del content[place:]
        elif kind == 6:
            order, size = random.choice("<>"), random.choice("BHIQ")
            number = random.choice(NUMBERS) % (1 << 8 * struct.calcsize(size))
            content[place : place + struct.calcsize(size)] = struct.pack(order + size, number)
        else:
            content[place : place + length] = random.choice(
                ("0", "9" * 20, "-", "nan", "\r\n", "\0", "\ufeff", '"', ",")
            ).encode()
    return bytes(content)


# ----- safetensors -----

SIZES = {
    "F32": 4,
    "F64": 8,
    "I64": 8,
    "I32": 4,
    "U8": 1,
    "BOOL": 1,
    "F16": 2,
    "BF16": 2,
    "I8": 1,
    "U64": 8,
    "F8_E4M3": 1,
}


def safetensors(random):
    entries, data = [], b""
    for number in range(random.choice((0, 1, 2, 2, 3, 6))):
        name = random.choice(TEXTS) if random.random() < 0.1 else f"{number}.weight"
        dtype = random.choice(list(SIZES)[:6] if random.random() < 0.8 else list(SIZES))
        shape = [random.choice((0, 1, 2, 3, 5)) for _ in range(random.choice((0, 1, 1, 2, 2, 3)))]
        size = int(np.prod(shape, dtype=np.int64)) * SIZES[dtype]
        entry = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + size]}
        data += random.randbytes(size)
        entries.append((name, entry))
    if random.random() < 0.2:
        entries.insert(0, ("__metadata__", random.choice(({}, {"a": "b"}, {"a": 1}, None, [], {"a": {"b": "c"}}))))
    if random.random() < 0.6:
        return _safetensors_file(random, entries, data)
    for _ in range(random.choice((1, 1, 2))):
        _spoil_entries(random, entries)
    return _safetensors_file(random, entries, data)


def _spoil_entries(random, entries):
    if not entries:
        entries.append(("x", random.choice((None, [], {}, 1))))
    place = random.randrange(len(entries))
    name, entry = entries[place]
    kind = random.randrange(7)
    if kind == 0:
        entries.append(entries[place])  # one name twice
    elif kind == 1:
        entries[place] = (name, random.choice((None, [], {}, 1, "x", True, 1e400)))
    elif kind == 2:
        random.shuffle(entries)
    elif isinstance(entry, dict) and "shape" in entry:
        entry = dict(entry)
        entries[place] = (name, entry)
        odd = random.choice((*NUMBERS, -1, 1.5, None, "2", [], {}, 2**64, True))
        if kind == 3:
            entry["shape"] = [*entry["shape"], odd]
        elif kind == 4:
            entry["data_offsets"] = random.choice(([0, odd], [odd, 0], [odd, odd], [0], [], [0, 1, 2], odd))
        elif kind == 5:
            entry["dtype"] = random.choice(("f32", "", "F31", "F8_E5M2", "C64", odd))
        else:
            entry.pop(random.choice(list(entry)))


def _safetensors_file(random, entries, data):
    header = "{" + ",".join(f"{json.dumps(name)}:{json.dumps(entry)}" for name, entry in entries) + "}"
    if random.random() < 0.03:
        depth = random.choice((100, 1000, 100_000))
        header = random.choice(('{"x":' * depth, "[" * depth, '{"x":' + "[" * depth + "]" * depth + "}"))
    header = header.encode() + b" " * random.choice((0, 0, 7))
    length = len(header) if random.random() < 0.95 else random.choice(NUMBERS)
    return struct.pack("<Q", length) + header + data + random.choice((b"", b"", b"", b"", b"\0"))


# ----- IDX -----


def idx_file(shape, content):
    """A sound file."""
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + content


def idx(random, shape, high=256):
    """An array of this shape, packed or not, with a header that may say something else."""
    content = bytes(random.randrange(high) for _ in range(int(np.prod(shape))))
    if random.random() < 0.3:
        shape = [random.choice(NUMBERS) % 2**32 if random.random() < 0.4 else size for size in shape]
    dimensions = random.choice(range(5)) if random.random() < 0.05 else len(shape)
    kind = random.randrange(16) if random.random() < 0.05 else 8
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, kind, dimensions, *shape)
    if random.random() < 0.002:
        return idx_bomb()
    content = head + content
    if random.random() < 0.5:
        content = gzip.compress(content, 1)
        if random.random() < 0.1:
            content += random.choice((content, b"\x1f\x8b", bytes(20)))
    return content


@cache
def idx_bomb():
    """Half a gigabyte of zeros, gzipped, with a header that describes them."""
    return gzip.compress(struct.pack(">IIII", 0x803, 1 << 19, 32, 32)) + 32 * gzip.compress(bytes(1 << 24))


# ----- CSV -----

CELLS = (
    "",
    " ",
    "nan",
    "inf",
    "-inf",
    "1e39",
    "1e400",
    "-0",
    "0x10",
    "1_0",
    "٣",
    "1,5",
    '"',
    '"a',
    '"1"',
    "true",
    *TEXTS,
)
ENCODINGS = ("utf-8", "utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "utf-32", "utf-7")


def csv(random):
    columns = random.choice((1, 2, 2, 3, 3, 4, 8))
    labels = random.choice(("ab", ("0", "1"), ("yes", "no", "maybe"), [str(i) for i in range(40)], ("0.5", "1"), TEXTS))
    rows = [
        [*(random.choice(("0", "1", "-2.5", "1e3")) for _ in range(columns - 1)), random.choice(labels)]
        for _ in range(random.choice((0, 1, 2, 8, 20)))
    ]
    head = random.randrange(5)
    if head:
        names = ([f"c{i}" for i in range(columns)], [str(2019 + i) for i in range(columns - 1)] + ["label"])
        rows.insert(0, [*names, [str(i) for i in range(columns)], list(random.choices(CELLS, k=columns))][head - 1])
    if random.random() < 0.2:
        rows = [[str(i - 1) if i else "", *row] for i, row in enumerate(rows)]
    if random.random() < 0.4 and rows:
        row = random.choice(rows)
        row[random.randrange(len(row))] = random.choice(CELLS)
    if random.random() < 0.05 and rows:
        random.choice(rows).append("1")
    if random.random() < 0.002 and rows:
        rows[-1][0] = random.choice(("x" * 200_000, "9" * 100_000, '"' + "\n" * 100_000))
    end = random.choice(("\n", "\n", "\n", "\r\n", "\r", "\n\n", "\r\r\n"))
    separator = "," if random.random() < 0.95 else random.choice((";", "\t", ", ", ",,"))
    return end.join(map(separator.join, rows)).encode(random.choice(ENCODINGS), "replace") + random.choice(
        (b"", end.encode())
    )


# ----- NPZ -----

DTYPES = (
    "<f8",
    ">f4",
    "<i8",
    "|u1",
    "|b1",
    "<f2",
    "<U3",
    ">U2",
    "|S4",
    "|O",
    "<M8[s]",
    "<c16",
    "|V8",
    "<f16",
    "[('a','<f8')]",
)
HEADERS = (
    "{{'descr': {d}, 'fortran_order': {f}, 'shape': {s}, }}",
    "{{'descr': {d}, 'fortran_order': {f}, 'shape': {s}, 'more': 1}}",
    "{{'descr': {d}, 'shape': {s}}}",
    "{d}",
    "{{'descr': {d}, 'fortran_order': {f}, 'shape': {s}",
    "__import__('os').system('true')",
)


def _npy(random, array):
    """An array as an NPY file; at times with another header."""
    if random.random() < 0.5:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()
    dtype = array.dtype.str if random.random() < 0.6 else random.choice(DTYPES)
    shape = list(array.shape)
    if random.random() < 0.3:
        odd = random.choice((*NUMBERS, -1, 1.5, "2", None, True, 10**30))
        shape = random.choice(([odd], [*shape, odd], [odd, odd], [], [1] * 70, [2] * 64, [0, 2**62, 2**62]))
    described = dtype if dtype.startswith("[") else repr(dtype)
    form = HEADERS[0] if random.random() < 0.8 else random.choice(HEADERS)
    header = form.format(d=described, f=random.choice((False, False, True, 1)), s=repr(tuple(shape)))
    if random.random() < 0.02:
        header = random.choice(
            ("(" * 3000, "-" * 9000 + "1", "[" * 90 + "]" * 90, "{" * 200, "9" * 5000, "'\\N{" + "x" * 99, "\0")
        )
    version = (1, 0) if random.random() < 0.8 else random.choice(((2, 0), (3, 0), (0, 0), (255, 255)))
    length = struct.pack(
        "<H" if version == (1, 0) else "<I", len(header) if random.random() < 0.97 else random.randrange(60_000)
    )
    return b"\x93NUMPY" + bytes(version) + length + header.encode("latin1", "replace") + array.tobytes()


def npz(random):
    rows = random.choice((0, 1, 2, 12))
    shape = random.choice(((rows, 3), (rows, 2, 2), (rows,), ()))
    size = int(np.prod(shape))
    x = np.frombuffer(random.randbytes(size * 8), np.float64).reshape(shape)
    if random.random() < 0.8:
        kind = random.choice(("f4", "u1", ">f8", "?", "i8"))
        x = np.array([random.randrange(100) for _ in range(size)], kind).reshape(shape)
    y = np.array([random.choice((0, 1, 1.0, 2)) for _ in range(rows)])
    if random.random() < 0.2:
        y = np.array([random.choice(("a", "b", "\ud800", "é")) for _ in range(rows)], "U3")
    names = random.choice((("x", "y"), ("X", "y"), ("x_train", "y_train", "x_test", "y_test"), ("x",), ()))
    file = io.BytesIO()
    method = random.choice((0, 0, 8, 8, 12, 14))
    with zipfile.ZipFile(file, "w", method, compresslevel=1) as archive:
        for name in names:
            info = zipfile.ZipInfo(name + random.choice((".npy", ".npy", ".npy", ".npy", ".npy", "", ".txt")))
            info.compress_type = method
            archive.writestr(info, _npy(random, x if name.lower().startswith("x") else y))
    content = file.getvalue()
    if random.random() < 0.1:
        content = _patched(random, content)
    return content if random.random() > 0.002 else _zip_bomb()


def _patched(random, content):
    """A field of the directory or of a member's header changed: flags, method, sizes, checksum, offsets."""
    content = bytearray(content)
    for signature, fields in (
        (b"PK\1\2", (8, 10, 16, 20, 24, 28, 30, 32, 42)),
        (b"PK\3\4", (6, 8, 14, 18, 22, 26, 28)),
        (b"PK\5\6", (8, 10, 12, 16, 20)),
    ):
        place = content.find(signature)
        if place >= 0 and random.random() < 0.5:
            content[place + random.choice(fields)] = random.randrange(256)
    return bytes(content)


@cache
def _zip_bomb():
    """Half a gigabyte of zeros with a header that describes them, and labels."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", 8, compresslevel=1) as archive:
        with archive.open("x.npy", "w") as member:
            header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (524288, 1024)}"
            member.write(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)
            for _ in range(512):
                member.write(bytes(1 << 20))
        archive.writestr("y.npy", b"")
    return file.getvalue()


def prepare():
    """Makes what takes long to make, so that no file waits for it."""
    _zip_bomb()
    idx_bomb()
