"""Runs the Python blocks of the pages in `docs`, and writes what they print into the blocks below them.

The blocks of a page share one namespace. What a block prints stands in the block right below it, in a language that is
not Python; a block that prints nothing has none. `tests/test_docs.py` fails if a page would change.
"""

import contextlib
import io
import linecache
import re
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent / "docs"
BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?P<gap>\n*)(?:^```(?P<language>(?!python)\w+)\n(?P<output>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)


def renewed(text: str, name: str) -> str:
    """A page with the outputs that its blocks have now.

    Raises:
        ValueError: A block prints something and has no block for it, or has one and prints nothing.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    # Messages that quote the line find it here.
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)

    def run(found: re.Match[str]) -> str:
        line = text.count("\n", 0, found.start()) + 2
        code = compile("\n" * (line - 1) + found["code"], name, "exec")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(code, namespace)
        output = printed.getvalue()
        if bool(output) != bool(found["language"]):
            problem = "prints, and has no block for its output" if output else "prints nothing, and has an output block"
            raise ValueError(f"{name}, line {line}: the block {problem} below it")
        block = f"```python\n{found['code']}```\n{found['gap']}"
        return block + (f"```{found['language']}\n{output}```\n" if output else "")

    return BLOCK.sub(run, text)


if __name__ == "__main__":
    for page in sorted(DOCS.glob("*.md")):
        page.write_text(renewed(page.read_text(encoding="utf-8"), page.name), encoding="utf-8")
