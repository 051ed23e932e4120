//! Blocks of memory in size classes, allocated by the system and returned to it.

use std::alloc::{self, Layout};
use std::fmt;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Alignment of every buffer in bytes: a cache line, and a vector of 512 bits.
pub const ALIGN: usize = 64;
/// Two classes per power of two, from `ALIGN` up to the address space.
pub(super) const CLASSES: usize = 2 * (usize::BITS as usize - ALIGN.trailing_zeros() as usize);
/// Size of a huge page on Linux.
const HUGE_PAGE: usize = 2 << 20;
/// Blocks from this size on are aligned to huge pages and request them: the cost of fresh memory is one page fault per
/// page. The alignment takes at most half as much address space again.
const HUGE_BLOCK: usize = 2 * HUGE_PAGE;

/// The memory for a buffer could not be allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError {
    /// The requested size.
    pub bytes: usize,
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot allocate {} bytes for a tensor", self.bytes)
    }
}

impl std::error::Error for AllocError {}

/// An empty vector with capacity for `n` elements: an error where `Vec::with_capacity` would abort the process. For
/// every vector whose length depends on the sizes of a tensor.
pub fn room_for<T>(n: usize) -> Result<Vec<T>, AllocError> {
    let mut vector = Vec::new();
    let bytes = n.saturating_mul(size_of::<T>());
    vector.try_reserve_exact(n).map_err(|_| AllocError { bytes })?;
    Ok(vector)
}

/// A block of `class_bytes` bytes at an address that is a multiple of `ALIGN`, owned by whoever holds this.
pub(super) struct Block(NonNull<u8>);

impl Block {
    /// # Safety
    /// The address must be that of a block, which nobody else owns.
    pub(super) unsafe fn from_ptr(ptr: NonNull<u8>) -> Self {
        Self(ptr)
    }

    pub(super) fn into_ptr(self) -> NonNull<u8> {
        self.0
    }
}

// SAFETY: a block is plain memory with one owner.
unsafe impl Send for Block {}

/// Bytes in blocks that were allocated by the system and not returned.
pub(super) static RESERVED: AtomicUsize = AtomicUsize::new(0);
/// The largest value of `RESERVED` so far.
pub(super) static PEAK: AtomicUsize = AtomicUsize::new(0);
/// Number of blocks allocated by the system.
pub(super) static SYSTEM_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// The class that holds `bytes`: sizes 64, 96, 128, 192, 256, …
pub(super) fn class_of(bytes: usize) -> Option<usize> {
    let bytes = bytes.max(ALIGN);
    let top = bytes.checked_next_power_of_two()?;
    let class = 2 * (top.trailing_zeros() - ALIGN.trailing_zeros()) as usize;
    Some(if class > 0 && bytes <= top / 4 * 3 { class - 1 } else { class })
}

pub(super) fn class_bytes(class: usize) -> usize {
    let power = ALIGN << class.div_ceil(2);
    if class.is_multiple_of(2) { power } else { power / 4 * 3 }
}

fn align(class: usize) -> usize {
    if cfg!(target_os = "linux") && class_bytes(class) >= HUGE_BLOCK { HUGE_PAGE } else { ALIGN }
}

/// The layout of a block's allocation: with room for the alignment, and for the address to free, which is stored just
/// before the block.
///
/// The allocation itself requests a small alignment only, because the standard library then uses `calloc`, which knows
/// that fresh pages are zero already.
fn system_layout(class: usize) -> Option<Layout> {
    Layout::from_size_align(class_bytes(class).checked_add(align(class))?, align_of::<usize>()).ok()
}

/// Zeroed memory.
pub(super) fn system_alloc(class: usize) -> Option<Block> {
    let layout = system_layout(class)?;
    // SAFETY: the layout's size is not zero.
    let base = NonNull::new(unsafe { alloc::alloc_zeroed(layout) })?;
    PEAK.fetch_max(RESERVED.fetch_add(class_bytes(class), Relaxed) + class_bytes(class), Relaxed);
    SYSTEM_ALLOCATIONS.fetch_add(1, Relaxed);
    let shift = align(class) - base.as_ptr().addr() % align(class);
    // SAFETY: `shift` is 8 to `align` (the base is a multiple of 8), so the block and the pointer-sized slot before it
    // lie within the allocation, which is `align` larger than the block.
    let block = unsafe {
        let block = base.add(shift);
        block.cast::<NonNull<u8>>().sub(1).write(base);
        block
    };
    #[cfg(all(target_os = "linux", not(miri)))]
    if align(class) == HUGE_PAGE {
        // SAFETY: the memory keeps its contents; a refusal of the advice does not matter.
        unsafe { libc::madvise(block.as_ptr().cast(), class_bytes(class), libc::MADV_HUGEPAGE) };
    }
    Some(Block(block))
}

#[allow(clippy::needless_pass_by_value, reason = "the block is gone afterwards")]
pub(super) fn system_free(class: usize, block: Block) {
    let layout = system_layout(class).expect("the block was allocated with this layout");
    RESERVED.fetch_sub(class_bytes(class), Relaxed);
    // SAFETY: `system_alloc` wrote the base before the block, and allocated it with the layout of the same class.
    unsafe { alloc::dealloc(block.0.cast::<NonNull<u8>>().sub(1).read().as_ptr(), layout) };
}

#[cfg(test)]
mod tests {
    use super::{class_bytes, class_of};

    #[test]
    fn classes_hold_what_they_are_chosen_for() {
        for bytes in [0, 1, 63, 64, 65, 96, 97, 128, 129, 4096, 4097, 6145, 1 << 30] {
            let class = class_of(bytes).unwrap();
            assert!(class_bytes(class) >= bytes.max(1));
            assert!(class == 0 || class_bytes(class - 1) < bytes, "{bytes} bytes went into a class that is too large");
        }
        assert_eq!(class_of(usize::MAX), None);
    }
}
