"""How this installation runs: version, instruction set, threads, allocator."""

from rgrad import _core

version = _core.VERSION


def isa() -> str:
    """The instruction set that the kernels run on: "avx512", "avx2", "neon" or "scalar"."""
    return _core.isa()


def available_isas() -> list[str]:
    """The instruction sets that this machine has, best first; RGRAD_ISA pins one of them."""
    return _core.available_isas()


def num_threads() -> int:
    """How many threads an operation may use."""
    return _core.get_num_threads()


def memory_stats() -> dict[str, int]:
    """Figures of the caching allocator, in bytes, and how often it asked the system for memory."""
    return dict(_core.memory_stats())


def show() -> str:
    """All of it as text."""
    stats = memory_stats()
    return "\n".join(
        [
            f"rgrad       {version}",
            f"isa         {isa()} (of {', '.join(available_isas())})",
            f"threads     {num_threads()}",
            f"pool        rayon, one for each process; workers {num_threads() - 1} beside the caller",
            f"allocator   {stats['reserved_bytes']} bytes reserved, {stats['shared_cache_bytes']} cached, "
            f"{stats['system_allocations']} system allocations",
        ]
    )
