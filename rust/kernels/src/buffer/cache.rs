//! The caches of free blocks.
//!
//! Fresh pages cost several times the kernel that fills them, so freed blocks are kept and reused. Small blocks go to a
//! cache of the thread that freed them; larger ones, and what overflows a thread's cache, to a shared cache of bounded
//! size. Memory is zeroed when the system allocates it and never handed out uninitialised, so reading a buffer before
//! writing it is merely useless.

use std::cell::RefCell;
use std::mem::take;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::blocks::{Block, CLASSES, PEAK, RESERVED, SYSTEM_ALLOCATIONS, class_bytes, system_alloc, system_free};

/// Blocks up to this size are cached per thread, without synchronisation.
pub(super) const LOCAL_BLOCK: usize = 64 << 10;
/// Capacity of one thread's cache.
const LOCAL_BYTES: usize = 2 << 20;
/// Capacity of the shared cache: a few steps of the largest networks that this library is for.
const SHARED_BYTES: usize = 512 << 20;

/// Statistics of the allocator, for `rg.__config__`.
#[derive(Clone, Copy, Debug)]
pub struct Stats {
    /// Bytes allocated by the system and not returned: in use or cached. Blocks are up to half as large again as what
    /// was requested.
    pub reserved_bytes: usize,
    /// The largest number of reserved bytes so far.
    pub peak_reserved_bytes: usize,
    /// Reserved bytes in caches, of all threads.
    pub cached_bytes: usize,
    /// Blocks allocated by the system since the process began; constant in a steady training loop.
    pub system_allocations: usize,
}

/// The current statistics. While other threads allocate, they may be inconsistent with each other.
#[must_use]
pub fn stats() -> Stats {
    let shared = shared();
    let local: usize = shared.locals.iter().map(|bytes| bytes.load(Relaxed)).sum();
    Stats {
        reserved_bytes: RESERVED.load(Relaxed),
        peak_reserved_bytes: PEAK.load(Relaxed),
        cached_bytes: shared.cache.bytes + local,
        system_allocations: SYSTEM_ALLOCATIONS.load(Relaxed),
    }
}

/// Returns cached memory to the system: the shared cache and this thread's immediately, and at most 2 MiB of each other
/// thread when it next frees a small block.
pub fn empty_cache() {
    EMPTIED.fetch_add(1, Relaxed);
    let _ = LOCAL.try_with(|local| local.borrow_mut().follow());
    let blocks = take(&mut shared().cache);
    drop(blocks); // after the lock is released
}

/// How many times the caches have been emptied.
static EMPTIED: AtomicUsize = AtomicUsize::new(0);
static SHARED: Mutex<SharedCache> = Mutex::new(SharedCache::new());

thread_local! {
    static LOCAL: RefCell<LocalCache> = const { RefCell::new(LocalCache { cache: Cache::new(), emptied: 0, bytes: None }) };
}

/// Free blocks by class.
struct Cache {
    blocks: [Vec<Block>; CLASSES],
    bytes: usize,
}

impl Cache {
    const fn new() -> Self {
        Self { blocks: [const { Vec::new() }; CLASSES], bytes: 0 }
    }
    fn pop(&mut self, class: usize) -> Option<Block> {
        let block = self.blocks[class].pop()?;
        self.bytes -= class_bytes(class);
        Some(block)
    }
    fn push(&mut self, class: usize, block: Block) {
        self.bytes += class_bytes(class);
        self.blocks[class].push(block);
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        for (class, blocks) in self.blocks.iter_mut().enumerate() {
            blocks.drain(..).for_each(|block| system_free(class, block));
        }
    }
}

/// One thread's cache.
struct LocalCache {
    cache: Cache,
    /// The value of `EMPTIED` when it last emptied itself.
    emptied: usize,
    /// The bytes in `cache`, published for [`stats`].
    bytes: Option<Arc<AtomicUsize>>,
}

impl LocalCache {
    fn pop(&mut self, class: usize) -> Option<Block> {
        let block = self.cache.pop(class)?;
        self.publish();
        Some(block)
    }

    /// Takes the block unless the cache is full.
    fn push(&mut self, class: usize, block: Block) -> Result<(), Block> {
        self.follow();
        if self.cache.bytes + class_bytes(class) > LOCAL_BYTES {
            return Err(block);
        }
        self.cache.push(class, block);
        self.publish();
        Ok(())
    }

    /// Empties the cache if [`empty_cache`] was called.
    fn follow(&mut self) {
        let emptied = EMPTIED.load(Relaxed);
        if self.emptied != emptied {
            self.emptied = emptied;
            drop(take(&mut self.cache));
            self.publish();
        }
    }

    fn publish(&mut self) {
        let register = || {
            let bytes = Arc::new(AtomicUsize::new(0));
            shared().locals.push(bytes.clone());
            bytes
        };
        self.bytes.get_or_insert_with(register).store(self.cache.bytes, Relaxed);
    }
}

impl Drop for LocalCache {
    /// Leaves the blocks to other threads.
    fn drop(&mut self) {
        let Some(bytes) = &self.bytes else { return };
        let mut shared = shared();
        shared.locals.retain(|other| !Arc::ptr_eq(other, bytes));
        for class in 0..CLASSES {
            while let Some(block) = self.cache.pop(class) {
                shared.push(class, block);
            }
        }
    }
}

/// The cache that all threads share.
struct SharedCache {
    cache: Cache,
    /// When a block of each class was last taken or returned.
    used: [u64; CLASSES],
    time: u64,
    /// The bytes in each thread's cache.
    locals: Vec<Arc<AtomicUsize>>,
}

fn shared() -> MutexGuard<'static, SharedCache> {
    forking::HANDLERS.register();
    SHARED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SharedCache {
    const fn new() -> Self {
        Self { cache: Cache::new(), used: [0; CLASSES], time: 0, locals: Vec::new() }
    }

    fn pop(&mut self, class: usize) -> Option<Block> {
        self.touch(class);
        self.cache.pop(class)
    }

    /// Takes the block if there is room, or if it can make room by freeing blocks of the least recently used classes:
    /// what an earlier phase of a program needed must not keep the present one from caching.
    fn push(&mut self, class: usize, block: Block) {
        self.touch(class);
        let room = SHARED_BYTES.saturating_sub(class_bytes(class));
        while self.cache.bytes > room {
            let others = (0..CLASSES).filter(|&c| c != class && !self.cache.blocks[c].is_empty());
            let Some(oldest) = others.min_by_key(|&c| self.used[c]) else { return system_free(class, block) };
            self.cache.pop(oldest).into_iter().for_each(|block| system_free(oldest, block));
        }
        self.cache.push(class, block);
    }

    fn touch(&mut self, class: usize) {
        self.time += 1;
        self.used[class] = self.time;
    }
}

pub(super) fn allocate(class: usize) -> Option<Block> {
    let local = || LOCAL.try_with(|local| local.borrow_mut().pop(class)).ok().flatten();
    let small = class_bytes(class) <= LOCAL_BLOCK;
    let cached = if small { local() } else { None }.or_else(|| shared().pop(class));
    cached.or_else(|| system_alloc(class)).or_else(|| {
        empty_cache();
        system_alloc(class)
    })
}

pub(super) fn release(class: usize, block: Block) {
    let mut rest = Some(block);
    if class_bytes(class) <= LOCAL_BLOCK {
        // The closure does not run once the thread's cache is gone.
        let push =
            |local: &RefCell<LocalCache>| rest = rest.take().and_then(|b| local.borrow_mut().push(class, b).err());
        let _ = LOCAL.try_with(push);
    }
    if let Some(block) = rest {
        shared().push(class, block);
    }
}

/// Holds the lock of the shared cache across a fork, so that the child gets the cache consistent and unlocked.
mod forking {
    use std::cell::UnsafeCell;

    use crate::fork::Handlers;

    use super::{Arc, LOCAL, MutexGuard, RESERVED, Relaxed, SharedCache, shared};

    struct Held(UnsafeCell<Option<MutexGuard<'static, SharedCache>>>);

    // SAFETY: only the thread that has locked the shared cache touches the cell.
    unsafe impl Sync for Held {}

    static HELD: Held = Held(UnsafeCell::new(None));

    pub(super) static HANDLERS: Handlers = Handlers::new(before, in_parent, in_child);

    extern "C" fn before() {
        let guard = shared();
        // SAFETY: this thread has the lock.
        unsafe { *HELD.0.get() = Some(guard) };
    }

    extern "C" fn in_parent() {
        // SAFETY: this thread has the lock, since `before`; taking the guard before dropping it ends the access first.
        drop(unsafe { (*HELD.0.get()).take() });
    }

    /// The caches of the other threads are lost: those threads do not exist in the child.
    extern "C" fn in_child() {
        // SAFETY: as above; the child's thread is the one that forked.
        let Some(mut shared) = (unsafe { (*HELD.0.get()).take() }) else { return };
        let mine = LOCAL.try_with(|local| local.borrow().bytes.clone()).ok().flatten();
        shared.locals.retain(|bytes| {
            let stays = mine.as_ref().is_some_and(|mine| Arc::ptr_eq(mine, bytes));
            if !stays {
                RESERVED.fetch_sub(bytes.load(Relaxed), Relaxed);
            }
            stays
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::{Buffer, blocks::class_of};

    #[test]
    fn a_full_cache_makes_room_for_what_is_used_now() {
        let mut shared = SharedCache::new();
        // The pages are never touched, so they take address space only.
        let [small, middle, large] = [4096, SHARED_BYTES / 4, SHARED_BYTES / 2].map(|bytes| class_of(bytes).unwrap());
        for class in [middle, middle, large] {
            shared.push(class, system_alloc(class).unwrap());
        }
        assert_eq!(shared.cache.bytes, SHARED_BYTES);
        let middles = [shared.pop(middle).unwrap(), shared.pop(middle).unwrap()];
        for block in middles {
            shared.push(middle, block);
        }
        shared.push(small, system_alloc(small).unwrap());
        let mut take = |class| shared.pop(class).map(|block| system_free(class, block)).is_some();
        assert!(!take(large), "the least recently used class is freed first");
        assert!(take(middle) && take(middle) && take(small));
        shared.push(large, system_alloc(large).unwrap());
        shared.push(large, system_alloc(large).unwrap());
        shared.push(large, system_alloc(large).unwrap());
        assert_eq!(shared.cache.bytes, SHARED_BYTES, "the bound holds");
    }

    #[test]
    fn an_emptied_cache_is_empty_in_other_threads_too() {
        std::thread::scope(|scope| {
            let (filled, full) = std::sync::mpsc::channel();
            let (told, wait) = std::sync::mpsc::channel();
            let other = scope.spawn(move || {
                drop(Buffer::new(1000));
                let held = || LOCAL.with(|local| local.borrow().cache.bytes);
                filled.send(held()).unwrap();
                wait.recv().unwrap();
                drop(Buffer::new(64));
                held()
            });
            let before = full.recv().unwrap();
            empty_cache();
            told.send(()).unwrap();
            let after = other.join().unwrap();
            assert!(before >= 1000 && after < before, "{before} {after}");
        });
    }
}
