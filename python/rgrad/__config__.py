"""The configuration of this installation: version, instruction set, threads, allocator."""

from rgrad import _core

version = _core.VERSION


def isa() -> str:
    """The instruction set that the kernels run on: "avx512", "avx2", "neon" or "scalar"."""
    return _core.isa()


def available_isas() -> list[str]:
    """The instruction sets that this machine has, best first; RGRAD_ISA pins one of them."""
    return _core.available_isas()


def num_threads() -> int:
    """The largest number of threads of an operation."""
    return _core.get_num_threads()


def memory_stats() -> dict[str, int]:
    """Statistics of the caching allocator, over all threads of this process.

    Returns:
        ``reserved_bytes``, the memory held from the system, the sum of ``in_use_bytes`` and ``cached_bytes``;
        ``peak_reserved_bytes``, its maximum so far; and ``system_allocations``, the number of requests to the system,
        which is constant in a steady training loop. Sizes are those of blocks, up to half as large again as the
        tensors in them.
    """
    return dict(_core.memory_stats())


def empty_cache() -> None:
    """Returns cached memory to the system; an allocation that fails does so automatically, and retries."""
    _core.empty_cache()


def show() -> str:
    """All of it as text."""
    stats = memory_stats()
    return "\n".join(
        [
            f"rgrad       {version}",
            f"isa         {isa()} (of {', '.join(available_isas())})",
            f"threads     {num_threads()}",
            f"pool        rayon, one for each process; workers {num_threads() - 1} beside the caller",
            f"allocator   {stats['in_use_bytes']} bytes in use, {stats['cached_bytes']} cached, "
            f"{stats['peak_reserved_bytes']} reserved at most, {stats['system_allocations']} system allocations",
        ]
    )
