//! The caching allocator of blocks.
//!
//! Fresh pages cost several times the kernel that fills them, so freed blocks are kept and reused. Small blocks wait in a
//! cache of the thread that freed them, larger ones in one shared cache of bounded size. Memory is zeroed when it comes
//! from the system and never handed out uninitialised, so reading a buffer before writing it is merely useless.

use std::alloc::{self, Layout};
use std::cell::RefCell;
use std::fmt;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Alignment of every buffer in bytes: a cache line, and a vector of 512 bits.
pub const ALIGN: usize = 64;
/// Blocks up to this size are cached by thread, without synchronisation.
pub(super) const LOCAL_BLOCK: usize = 64 << 10;
/// What one thread's cache may hold.
const LOCAL_BYTES: usize = 2 << 20;
/// What the shared cache may hold: a few steps' worth of the largest networks that this library is for.
const SHARED_BYTES: usize = 512 << 20;
/// Two classes per power of two, from `ALIGN` up to the address space.
pub(super) const CLASSES: usize = 2 * (usize::BITS as usize - ALIGN.trailing_zeros() as usize);

/// The memory for a buffer could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError {
    /// The size that was asked for.
    pub bytes: usize,
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot allocate {} bytes for a tensor", self.bytes)
    }
}

impl std::error::Error for AllocError {}

/// What the allocator holds and has done, for `rg.__config__`.
#[derive(Clone, Copy, Debug)]
pub struct Stats {
    /// Bytes obtained from the system and not given back: in use or cached.
    pub reserved_bytes: usize,
    /// Bytes waiting in the shared cache.
    pub shared_cache_bytes: usize,
    /// Blocks obtained from the system since the process began; it stands still in a steady training loop.
    pub system_allocations: usize,
}

/// The allocator's figures now.
#[must_use]
pub fn stats() -> Stats {
    Stats {
        reserved_bytes: RESERVED.load(Relaxed),
        shared_cache_bytes: SHARED.try_lock().map_or(0, |s| s.bytes),
        system_allocations: SYSTEM_ALLOCATIONS.load(Relaxed),
    }
}

/// Gives the shared cache and this thread's cache back to the system.
pub fn empty_cache() {
    let _ = LOCAL.try_with(|c| c.borrow_mut().clear());
    if let Ok(mut shared) = SHARED.try_lock() {
        shared.clear();
    }
}

static RESERVED: AtomicUsize = AtomicUsize::new(0);
static SYSTEM_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static SHARED: Mutex<Cache> = Mutex::new(Cache::new());

thread_local! {
    static LOCAL: RefCell<Cache> = const { RefCell::new(Cache::new()) };
}

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

/// Free blocks by class.
struct Cache {
    blocks: [Vec<Block>; CLASSES],
    bytes: usize,
}

/// A block of `class_bytes` bytes at an address that is a multiple of `ALIGN`, owned by whoever holds this.
pub(super) struct Block(pub(super) NonNull<u8>);

// SAFETY: a block is plain memory with one owner.
unsafe impl Send for Block {}

impl Cache {
    const fn new() -> Self {
        Self { blocks: [const { Vec::new() }; CLASSES], bytes: 0 }
    }
    fn pop(&mut self, class: usize) -> Option<Block> {
        let block = self.blocks[class].pop()?;
        self.bytes -= class_bytes(class);
        Some(block)
    }
    /// Takes `block` unless that would exceed `limit`.
    fn push(&mut self, class: usize, block: Block, limit: usize) -> Result<(), Block> {
        if self.bytes + class_bytes(class) > limit {
            return Err(block);
        }
        self.bytes += class_bytes(class);
        self.blocks[class].push(block);
        Ok(())
    }
    fn clear(&mut self) {
        for (class, blocks) in self.blocks.iter_mut().enumerate() {
            for block in blocks.drain(..) {
                system_free(class, block);
            }
        }
        self.bytes = 0;
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The system's view of a block: room for the alignment, and for the address to free, which stands just before the block.
///
/// The allocation itself asks for a small alignment only, because the standard library then uses `calloc`, which knows
/// that fresh pages are zero already.
fn system_layout(class: usize) -> Option<Layout> {
    Layout::from_size_align(class_bytes(class).checked_add(ALIGN)?, align_of::<usize>()).ok()
}

fn system_alloc(class: usize) -> Option<Block> {
    let layout = system_layout(class)?;
    // SAFETY: the layout's size is not zero.
    let base = NonNull::new(unsafe { alloc::alloc_zeroed(layout) })?;
    RESERVED.fetch_add(layout.size(), Relaxed);
    SYSTEM_ALLOCATIONS.fetch_add(1, Relaxed);
    let shift = ALIGN - base.as_ptr().addr() % ALIGN;
    // SAFETY: `shift` is 8 to 64 (the base is a multiple of 8), so the block and the pointer-sized slot before it lie
    // within the allocation, which is `ALIGN` larger than the block.
    unsafe {
        let block = base.add(shift);
        block.cast::<NonNull<u8>>().sub(1).write(base);
        Some(Block(block))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the block is gone afterwards")]
fn system_free(class: usize, block: Block) {
    let layout = system_layout(class).expect("the block was allocated with this layout");
    RESERVED.fetch_sub(layout.size(), Relaxed);
    // SAFETY: `system_alloc` wrote the base before the block, and allocated it with the layout of the same class.
    unsafe { alloc::dealloc(block.0.cast::<NonNull<u8>>().sub(1).read().as_ptr(), layout) };
}

pub(super) fn allocate(class: usize) -> Option<Block> {
    if class_bytes(class) <= LOCAL_BLOCK {
        if let Ok(Some(block)) = LOCAL.try_with(|c| c.borrow_mut().pop(class)) {
            return Some(block);
        }
    } else if let Ok(mut shared) = SHARED.try_lock() {
        // Only tried: a thread that waits for nobody cannot hang in a child forked while another held the lock.
        if let Some(block) = shared.pop(class) {
            return Some(block);
        }
    }
    system_alloc(class).or_else(|| {
        empty_cache();
        system_alloc(class)
    })
}

pub(super) fn release(class: usize, block: Block) {
    let rest = if class_bytes(class) <= LOCAL_BLOCK {
        // The closure does not run once the thread's cache is gone; the block then stays here.
        let mut block = Some(block);
        let _ = LOCAL.try_with(|c| block = block.take().and_then(|b| c.borrow_mut().push(class, b, LOCAL_BYTES).err()));
        block.map_or(Ok(()), Err)
    } else if let Ok(mut shared) = SHARED.try_lock() {
        shared.push(class, block, SHARED_BYTES)
    } else {
        Err(block)
    };
    if let Err(block) = rest {
        system_free(class, block);
    }
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
