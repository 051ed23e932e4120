//! Buffers: aligned memory from a caching allocator, with a reader-writer lock on each.
//!
//! Fresh pages cost several times the kernel that fills them, so freed blocks are kept and reused. Small blocks wait in a
//! cache of the thread that freed them, larger ones in one shared cache of bounded size. Memory is zeroed when it comes
//! from the system and never handed out uninitialised, so reading a buffer before writing it is merely useless.

use std::alloc::{self, Layout};
use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use crate::simd::Element;

/// Alignment of every buffer in bytes: a cache line, and a vector of 512 bits.
pub const ALIGN: usize = 64;
/// Blocks up to this size are cached by thread, without synchronisation.
const LOCAL_BLOCK: usize = 64 << 10;
/// What one thread's cache may hold.
const LOCAL_BYTES: usize = 2 << 20;
/// What the shared cache may hold: a few steps' worth of the largest networks that this library is for.
const SHARED_BYTES: usize = 512 << 20;
/// Two classes per power of two, from `ALIGN` up to the address space.
const CLASSES: usize = 2 * (usize::BITS as usize - ALIGN.trailing_zeros() as usize);

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
fn class_of(bytes: usize) -> Option<usize> {
    let bytes = bytes.max(ALIGN);
    let top = bytes.checked_next_power_of_two()?;
    let class = 2 * (top.trailing_zeros() - ALIGN.trailing_zeros()) as usize;
    Some(if class > 0 && bytes <= top / 4 * 3 { class - 1 } else { class })
}

fn class_bytes(class: usize) -> usize {
    let power = ALIGN << class.div_ceil(2);
    if class.is_multiple_of(2) { power } else { power / 4 * 3 }
}

/// Free blocks by class.
struct Cache {
    blocks: [Vec<Block>; CLASSES],
    bytes: usize,
}

/// A block of `class_bytes` bytes at an address that is a multiple of `ALIGN`, owned by whoever holds this.
struct Block(NonNull<u8>);

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

fn allocate(class: usize) -> Option<Block> {
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

fn release(class: usize, block: Block) {
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

/// Shared memory for the elements of tensors.
///
/// Access goes through [`Buffer::read`] and [`Buffer::write`], a reader-writer lock on one atomic word: taking it costs a
/// few nanoseconds when nobody else holds it. Readers are never held up by a waiting writer, so one thread may read a
/// buffer twice at once.
pub struct Buffer {
    ptr: NonNull<u8>,
    bytes: usize,
    /// Number of readers, or `WRITER`.
    lock: AtomicU32,
    origin: Origin,
}

enum Origin {
    /// A block of this class from the allocator above.
    Cached(usize),
    /// Memory of somebody else, kept alive by this value.
    Foreign { access: Access, _owner: Box<dyn Any + Send + Sync> },
}

/// What may be done to memory that somebody else owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only: the memory may be mapped so that a write ends the process.
    ReadOnly,
    /// Reading and writing.
    ReadWrite,
}

const WRITER: u32 = 1 << 31;

// SAFETY: the memory is reached only through guards that follow the lock, or through `&mut self`.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// A buffer of `bytes` bytes whose contents are unspecified.
    pub fn new(bytes: usize) -> Result<Self, AllocError> {
        let block = class_of(bytes).filter(|&c| c < CLASSES).and_then(|c| Some((c, allocate(c)?)));
        let (class, block) = block.ok_or(AllocError { bytes })?;
        Ok(Self { ptr: block.0, bytes, lock: AtomicU32::new(0), origin: Origin::Cached(class) })
    }

    /// A buffer over memory that somebody else owns.
    ///
    /// # Safety
    /// `ptr` must be valid for reads, and unless `access` forbids them for writes, of `bytes` bytes for as long as `owner`
    /// lives, all of them initialised and aligned for every element type that the buffer is read as. Whoever else writes to
    /// that memory must not do so while a guard of this buffer exists.
    #[must_use]
    pub unsafe fn foreign(ptr: NonNull<u8>, bytes: usize, access: Access, owner: Box<dyn Any + Send + Sync>) -> Self {
        Self { ptr, bytes, lock: AtomicU32::new(0), origin: Origin::Foreign { access, _owner: owner } }
    }

    /// Whether somebody else owns the memory, and may look at it.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        matches!(self.origin, Origin::Foreign { .. })
    }

    /// Whether the memory must not be written to.
    #[inline]
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(self.origin, Origin::Foreign { access: Access::ReadOnly, .. })
    }

    /// The size in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The address of the first byte, for handing the memory to other libraries.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// The elements, for reading. Waits while somebody writes.
    #[inline]
    pub fn read<T: Element>(&self) -> Read<'_, T> {
        while self.lock.fetch_add(1, Acquire) >= WRITER {
            self.lock.fetch_sub(1, Relaxed);
            std::thread::yield_now();
        }
        Read { buffer: self, of: PhantomData }
    }

    /// The elements, for writing. Waits while somebody reads or writes.
    ///
    /// # Panics
    /// If the memory is read-only.
    #[inline]
    pub fn write<T: Element>(&self) -> Write<'_, T> {
        assert!(!self.is_read_only(), "the memory is read-only");
        while self.lock.compare_exchange(0, WRITER, Acquire, Relaxed).is_err() {
            std::thread::yield_now();
        }
        Write { buffer: self, of: PhantomData }
    }

    /// The elements of a buffer that nobody else has.
    ///
    /// # Panics
    /// If the memory is read-only.
    #[inline]
    pub fn get_mut<T: Element>(&mut self) -> &mut [T] {
        assert!(!self.is_read_only(), "the memory is read-only");
        // SAFETY: `&mut self` excludes every other access; see also `len`.
        unsafe { std::slice::from_raw_parts_mut(self.ptr.as_ptr().cast(), self.len::<T>()) }
    }

    /// Whole elements of type `T` that fit; every bit pattern is a `T`, and the memory is initialised and aligned.
    fn len<T: Element>(&self) -> usize {
        self.bytes / size_of::<T>()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Origin::Cached(class) = self.origin {
            release(class, Block(self.ptr));
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.bytes)
    }
}

/// A buffer's elements, locked for reading.
#[derive(Debug)]
pub struct Read<'a, T> {
    buffer: &'a Buffer,
    of: PhantomData<&'a [T]>,
}

/// A buffer's elements, locked for writing.
#[derive(Debug)]
pub struct Write<'a, T> {
    buffer: &'a Buffer,
    of: PhantomData<&'a mut [T]>,
}

impl<T: Element> Deref for Read<'_, T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the lock excludes writers while this guard lives; see also `Buffer::len`.
        unsafe { std::slice::from_raw_parts(self.buffer.ptr.as_ptr().cast(), self.buffer.len::<T>()) }
    }
}

impl<T: Element> Deref for Write<'_, T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: the lock excludes everybody else while this guard lives; see also `Buffer::len`.
        unsafe { std::slice::from_raw_parts(self.buffer.ptr.as_ptr().cast(), self.buffer.len::<T>()) }
    }
}

impl<T: Element> DerefMut for Write<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`, and the guard is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.buffer.ptr.as_ptr().cast(), self.buffer.len::<T>()) }
    }
}

impl<T> Drop for Read<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.buffer.lock.fetch_sub(1, Release);
    }
}

impl<T> Drop for Write<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // Not a plain store: a reader that is just being turned away has its unit in the word.
        self.buffer.lock.fetch_sub(WRITER, Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_hold_what_they_are_chosen_for() {
        for bytes in [0, 1, 63, 64, 65, 96, 97, 128, 129, 4096, 4097, 6145, 1 << 30] {
            let class = class_of(bytes).unwrap();
            assert!(class_bytes(class) >= bytes.max(1));
            assert!(class == 0 || class_bytes(class - 1) < bytes, "{bytes} bytes went into a class that is too large");
        }
        assert_eq!(class_of(usize::MAX), None);
    }

    #[test]
    fn freed_memory_is_reused_and_aligned() {
        for bytes in [8, 4096, 1 << 20] {
            let a = Buffer::new(bytes).unwrap();
            let (address, before) = (a.as_ptr().addr(), stats().system_allocations);
            assert_eq!(address % ALIGN, 0);
            drop(a);
            let b = Buffer::new(bytes).unwrap();
            // Other tests share the process, so only the thread's own cache is certain to give the same block back.
            assert!(bytes > LOCAL_BLOCK || b.as_ptr().addr() == address);
            assert!(bytes > LOCAL_BLOCK || stats().system_allocations >= before);
        }
    }

    #[test]
    fn an_impossible_size_is_an_error() {
        for bytes in [usize::MAX, 1 << 62] {
            assert_eq!(Buffer::new(bytes).unwrap_err(), AllocError { bytes });
        }
    }

    #[test]
    fn writers_exclude_everybody_and_readers_share() {
        let buffer = Buffer::new(8 * 100).unwrap();
        buffer.write::<i64>().fill(0);
        std::thread::scope(|s| {
            for _ in 0..8 {
                s.spawn(|| {
                    for _ in 0..1000 {
                        buffer.write::<i64>().iter_mut().for_each(|x| *x += 1);
                        let (a, b) = (buffer.read::<i64>(), buffer.read::<i64>());
                        assert!(a.iter().all(|&x| x == a[0]) && *a == *b);
                    }
                });
            }
        });
        assert!(buffer.read::<i64>().iter().all(|&x| x == 8000));
    }

    #[test]
    fn foreign_memory_lives_as_long_as_the_buffer() {
        let owner = Box::new([1.0_f32, 2.0, 3.0]);
        let ptr = NonNull::from(&*owner).cast();
        // SAFETY: the box keeps its address when it is moved, and holds 12 bytes of floats.
        let buffer = unsafe { Buffer::foreign(ptr, 12, Access::ReadWrite, owner) };
        buffer.write::<f32>()[1] = 5.0;
        assert_eq!(*buffer.read::<f32>(), [1.0, 5.0, 3.0]);
    }

    #[test]
    #[should_panic(expected = "read-only")]
    fn read_only_memory_cannot_be_written() {
        let owner = Box::new([1.0_f32, 2.0]);
        let ptr = NonNull::from(&*owner).cast();
        // SAFETY: as above, with 8 bytes.
        let buffer = unsafe { Buffer::foreign(ptr, 8, Access::ReadOnly, owner) };
        assert_eq!(*buffer.read::<f32>(), [1.0, 2.0]);
        buffer.write::<f32>();
    }
}
