"""``rgrad.compile``: the recorder's half in Python. The package is private, for ``rgrad.compile`` is the function."""

from rgrad._compile.compiled import Compiled as Compiled, CompiledModule as CompiledModule, compile as compile
