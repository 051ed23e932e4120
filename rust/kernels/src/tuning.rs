//! Block sizes and thresholds, each with its reason. All but [`KC`] may change without changing a bit of any result.

/// Block size in k: steps in one chain of fused multiply-adds; the sums of the blocks are added in order. **Part of the
/// numeric contract.** 512 keeps the error of long sums small and costs under 1 % compared with a single chain.
pub const KC: usize = 512;

/// Vectors in the widest tile: four need the fewest loads per FMA if the accumulators leave registers for them (AVX-512
/// has 32); where a logical vector takes two of 16 registers, or four of 32, there is room for one only.
#[must_use]
pub const fn max_vectors(registers: usize) -> usize {
    if registers >= 32 { MAX_VECTORS } else { 1 }
}

/// The largest result of [`max_vectors`].
pub const MAX_VECTORS: usize = 4;

/// Rows of the tallest tile that is `vectors` wide: 24 accumulators in 32 registers (12 in one column: more rows need
/// more pointers than there are registers), or 6 in 8; never so few that the chains of FMAs (8 in flight) stall. Plain
/// arrays gain nothing from more than two, and take long to compile.
#[must_use]
pub const fn max_rows(registers: usize, vectors: usize) -> usize {
    match (registers, vectors) {
        (0..8, _) => 2,
        (8..32, _) | (_, 4) => 6,
        (_, 3) => 8,
        _ => 12,
    }
}

/// Rows of the tallest tile that transposes B in registers: 20 accumulators leave registers for that, and the more
/// multiply-adds there are, the better they hide it.
#[must_use]
pub const fn max_transposed_b_rows(registers: usize) -> usize {
    if registers >= 32 { 10 } else { 0 }
}

/// Vectors of the widest such tile. A single row has accumulators to spare.
#[must_use]
pub const fn max_transposed_b_vectors(rows: usize) -> usize {
    match rows {
        1 => 4,
        _ => 2,
    }
}

/// Rows in a block of A: one block of k, half a MiB of `f32`, stays in cache while B is streamed, strip by strip.
pub const BLOCK_ROWS: usize = 256;

/// Partial sums that are kept from one block of k to the next, of the strips that are computed together: more strips
/// reuse a block of A more often, but their sums have to be reloaded for each block of k.
pub const TOTALS: usize = 1 << 20;

/// Whether steps of k with this stride in bytes all map to the same few sets of the caches, each on a page of its own.
/// Such an A is packed if it is used at least [`COPY_REUSE`] times, and such a B, too, if tiles are one vector wide:
/// then 1024×1024×1024 takes 1.4 times as long without. Wider tiles read enough of a step at once: packing costs
/// 64×1024×1024 a sixth.
#[must_use]
pub const fn is_far(stride: usize) -> bool {
    stride >= 4096 && stride.is_multiple_of(2048)
}

/// See [`is_far`]: with less reuse, packing costs more than it saves.
pub const COPY_REUSE: usize = 64;

/// FLOPs that pay for a thread: a product with twice as many runs 1.2 times as fast on two threads, and one with four
/// times as many runs 1.7 times as fast.
pub const GEMM_GRAIN: usize = 60_000;

/// The cost of packing a part's columns of B, in rows of the product: about 12, doubled because another grid may avoid
/// it.
pub const PACK_ROWS: usize = 24;

/// Columns up to which a product of at least a vector of rows is computed transposed, even if A must be packed for it:
/// 16×150×2 gains 2.3 times, 1000×100×1 with a copy 3.8 times, 150×16×3 1.7 times, 128×64×8 nothing.
pub const TRANSPOSE_COLS: usize = 4;

/// Vectors of rows from which that pays off for any number of columns that does not fill a vector, if A's columns are
/// contiguous: 784×100×10 gains 1.8 times, 16×32×15 loses as much as 20×10×7, a third.
pub const TRANSPOSE_ROWS: usize = 2;

/// Steps of k from which columns that do not fill a vector become rows even if A must be transposed for it, in
/// registers: 100×784×10 gains 1.2 times, 256×64×10 1.1 times, 256×32×10 loses a tenth.
pub const TRANSPOSE_STEPS: usize = 48;

/// The same where B would have to be packed otherwise: 32×32×10 with a transposed B gains 1.3 times.
pub const TRANSPOSE_STEPS_PACKED: usize = 16;

/// Bytes of a matrix from which it is prefetched: a smaller one is usually still in the caches since it was written,
/// and prefetching columns that are transposed costs 7 % then. What is packed for other tiles is a layer's weights,
/// which all steps use, and not prefetched.
pub const PREFETCH_BYTES: usize = 96 << 10;
