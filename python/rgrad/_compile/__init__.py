"""``rgrad.compile``: the Python half of the recorder. A private package, as ``rgrad.compile`` is the function."""

from rgrad._compile.compiled import Compiled as Compiled, CompiledModule as CompiledModule, compile as compile
