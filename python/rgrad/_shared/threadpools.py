"""Makes the thread pool known to threadpoolctl, whichever of the two is imported first."""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from rgrad import _core


def register(threadpoolctl: Any) -> None:
    """Lets ``threadpoolctl.threadpool_info`` list rgrad and ``threadpool_limits`` limit it, under the name "rgrad"."""
    if not hasattr(threadpoolctl, "register"):  # came with version 3.2
        return

    class Controller(threadpoolctl.LibController):  # type: ignore[misc]
        user_api = internal_api = "rgrad"
        # Other packages have extensions of that name, but not with that symbol.
        filename_prefixes = ("_core",)
        check_symbols = ("rgrad_num_threads",)

        def get_num_threads(self) -> int:
            return _core.get_num_threads()

        def set_num_threads(self, num_threads: int) -> None:
            _core.set_num_threads(num_threads)

        def get_version(self) -> str:
            return _core.VERSION

    threadpoolctl.register(Controller)


class _Follower:
    """An import hook that finds nothing itself, but registers with threadpoolctl once that is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "threadpoolctl":
            return None
        finders = [finder for finder in sys.meta_path if finder is not self]
        spec = next((spec for finder in finders if (spec := finder.find_spec(name, path, target))), None)
        if spec is None or spec.loader is None:
            return None
        sys.meta_path[:] = finders
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            register(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def follow() -> None:
    """Registers now, or when threadpoolctl is imported."""
    if loaded := sys.modules.get("threadpoolctl"):
        register(loaded)
    else:
        sys.meta_path.insert(0, _Follower())
