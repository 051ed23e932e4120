//! Loads and stores: every length, every alignment, and no access out of bounds.

use rgrad_kernels::simd::{Kernel, Simd};

use crate::numbers::{Bits, Random};

on_both_types! {
    heads_of_every_length
    whole_vectors_at_any_alignment
    transposes_of_every_size
    quads_of_every_stride
    columns_of_eight_steps
    #[cfg(all(target_os = "linux", not(miri)))] heads_touch_nothing_behind_them
}

/// Copies `n` elements by `load_head` and `store_head`, and returns all lanes that were loaded.
struct Head<T> {
    from: *const T,
    to: *mut T,
    n: usize,
}

impl<T: Bits> Kernel<T> for Head<T> {
    type Out = T::Lanes;

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> T::Lanes {
        // SAFETY: the tests pass pointers to `n` elements.
        let v = unsafe { s.load_head(self.from, self.n) };
        // SAFETY: as above.
        unsafe { s.store_head(self.to, v, self.n) };
        s.to_array(v)
    }
}

fn heads_of_every_length<T: Bits>() {
    let mut random = Random(11);
    let from: Vec<T> = (0..2 * T::LANES).map(|_| T::from_bits(random.bits() | 1)).collect();
    for n in 0..=T::LANES {
        for offset in 0..T::LANES {
            let mut to = vec![T::NAN; 3 * T::LANES];
            let lanes = T::run(Head { from: from[offset..].as_ptr(), to: to[offset..].as_mut_ptr(), n });
            for i in 0..T::LANES {
                let expected = if i < n { from[offset + i] } else { T::ZERO };
                assert_eq!(lanes.as_ref()[i].bits(), expected.bits(), "lane {i} of {n} loaded at {offset}");
            }
            for (i, x) in to.iter().enumerate() {
                let expected = if (offset..offset + n).contains(&i) { from[i] } else { T::NAN };
                assert_eq!(x.bits(), expected.bits(), "element {i}, {n} stored at {offset}");
            }
        }
    }
}

/// Copies a whole vector.
struct Whole<T> {
    from: *const T,
    to: *mut T,
}

impl<T: Bits> Kernel<T> for Whole<T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // SAFETY: the test passes pointers to a vector's elements.
        unsafe { s.store(self.to, s.load(self.from)) };
    }
}

fn whole_vectors_at_any_alignment<T: Bits>() {
    let mut random = Random(13);
    let from: Vec<T> = (0..2 * T::LANES).map(|_| T::from_bits(random.bits())).collect();
    for offset in 0..T::LANES {
        let mut to = vec![T::NAN; 3 * T::LANES];
        T::run(Whole { from: from[offset..].as_ptr(), to: to[offset..].as_mut_ptr() });
        for (i, x) in to.iter().enumerate() {
            let expected = if (offset..offset + T::LANES).contains(&i) { from[i] } else { T::NAN };
            assert_eq!(x.bits(), expected.bits(), "element {i} at {offset}");
        }
    }
}

/// Transposes `rows × cols` elements.
struct Transpose<T> {
    from: *const T,
    stride: usize,
    rows: usize,
    cols: usize,
    to: *mut T,
    to_stride: usize,
}

impl<T: Bits> Kernel<T> for Transpose<T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // SAFETY: the test passes pointers to that many elements.
        unsafe { s.transpose(self.from, self.stride, self.rows, self.cols, self.to, self.to_stride) };
    }
}

fn transposes_of_every_size<T: Bits>() {
    let mut random = Random(19);
    let (stride, to_stride) = (T::LANES + 3, T::LANES + 1);
    let from: Vec<T> = (0..stride * T::LANES).map(|_| T::from_bits(random.bits())).collect();
    for rows in 0..=T::LANES {
        for cols in 0..=T::LANES {
            let read = if rows == 0 || cols == 0 { 0 } else { (rows - 1) * stride + cols };
            let source = from[..read].to_vec();
            let mut to = vec![T::NAN; to_stride * T::LANES];
            T::run(Transpose { from: source.as_ptr(), stride, rows, cols, to: to.as_mut_ptr(), to_stride });
            for (at, x) in to.iter().enumerate() {
                let (j, i) = (at / to_stride, at % to_stride);
                let expected = match (j < cols && i < T::LANES, i < rows) {
                    (true, true) => from[i * stride + j],
                    (true, false) => T::ZERO,
                    (false, _) => T::NAN,
                };
                assert_eq!(x.bits(), expected.bits(), "row {j}, lane {i} of {rows} × {cols}");
            }
        }
    }
}

/// Stores four contiguous vectors as quads.
struct Quads<T> {
    from: *const T,
    to: *mut T,
    stride: usize,
}

impl<T: Bits> Kernel<T> for Quads<T> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        // SAFETY: the test passes pointers to four vectors, and to room for the quads.
        unsafe {
            let vector = |i: usize| s.load(self.from.add(i * S::LANES));
            s.store_quads(self.to, self.stride, [vector(0), vector(1), vector(2), vector(3)]);
        }
    }
}

fn quads_of_every_stride<T: Bits>() {
    let mut random = Random(23);
    let from: Vec<T> = (0..4 * T::LANES).map(|_| T::from_bits(random.bits())).collect();
    for stride in 0..=T::LANES + 1 {
        let mut to = vec![T::NAN; (T::LANES - 1) * stride + 4];
        let mut expected = to.clone();
        for lane in 0..T::LANES {
            for i in 0..4 {
                expected[lane * stride + i] = from[i * T::LANES + lane];
            }
        }
        T::run(Quads { from: from.as_ptr(), to: to.as_mut_ptr(), stride });
        for (at, (x, y)) in to.iter().zip(&expected).enumerate() {
            assert_eq!(x.bits(), y.bits(), "element {at}, quads {stride} apart");
        }
    }
}

struct Columns<'a, T> {
    rows: &'a [*const T],
    at: usize,
}

impl<T: Bits> Kernel<T> for Columns<'_, T> {
    type Out = [T::Lanes; 8];

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> Self::Out {
        assert_eq!(self.rows.len(), S::LANES);
        // SAFETY: the test's rows have `at + 8` elements.
        unsafe { s.columns(self.rows.as_ptr(), self.at) }.map(|x| s.to_array(x))
    }
}

fn columns_of_eight_steps<T: Bits>() {
    let mut random = Random(23);
    for at in [0, 1, 5] {
        // Separate vectors, without an element more than needed.
        let rows: Vec<Vec<T>> =
            (0..T::LANES).map(|_| (0..at + 8).map(|_| T::from_bits(random.bits())).collect()).collect();
        let pointers: Vec<*const T> = rows.iter().map(Vec::as_ptr).collect();
        let columns = T::run(Columns { rows: &pointers, at });
        for (j, column) in columns.iter().enumerate() {
            for (row, x) in rows.iter().zip(column.as_ref()) {
                assert_eq!(x.bits(), row[at + j].bits(), "column {j} from {at} on");
            }
        }
    }
}

/// Memory that ends at an inaccessible page: an access out of bounds is a crash.
#[cfg(all(target_os = "linux", not(miri)))]
mod guarded {
    use std::ffi::{c_int, c_long, c_void};
    use std::ptr;

    unsafe extern "C" {
        fn mmap(at: *mut c_void, len: usize, prot: c_int, flags: c_int, fd: c_int, offset: c_long) -> *mut c_void;
        fn mprotect(at: *mut c_void, len: usize, prot: c_int) -> c_int;
        fn munmap(at: *mut c_void, len: usize) -> c_int;
    }

    /// A multiple of every page size in use.
    const HALF: usize = 1 << 16;

    pub struct Edge(*mut c_void);

    impl Edge {
        pub fn new() -> Self {
            // SAFETY: a new private mapping (readable and writable, anonymous), whose second half is then protected.
            unsafe {
                let start = mmap(ptr::null_mut(), 2 * HALF, 1 | 2, 2 | 0x20, -1, 0);
                assert_ne!(start as isize, -1);
                assert_eq!(mprotect(start.byte_add(HALF), HALF, 0), 0);
                Self(start)
            }
        }
        /// A pointer to the last `n` elements before the edge.
        pub fn before<T>(&self, n: usize) -> *mut T {
            assert!(n * size_of::<T>() <= HALF);
            // SAFETY: within the accessible half.
            unsafe { self.0.byte_add(HALF - n * size_of::<T>()).cast() }
        }
    }

    impl Drop for Edge {
        fn drop(&mut self) {
            // SAFETY: the mapping is this value's own.
            assert_eq!(unsafe { munmap(self.0, 2 * HALF) }, 0);
        }
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
fn heads_touch_nothing_behind_them<T: Bits>() {
    let (source, target) = (guarded::Edge::new(), guarded::Edge::new());
    for n in 0..=T::LANES {
        let (from, to) = (source.before::<T>(n), target.before::<T>(n));
        for i in 0..n {
            // SAFETY: `n` elements lie before the edge.
            unsafe { from.add(i).write(T::from_f64(i as f64 + 1.0)) };
        }
        let lanes = T::run(Head { from, to, n });
        for i in 0..n {
            // SAFETY: as above.
            assert_eq!(unsafe { to.add(i).read() }, lanes.as_ref()[i]);
        }
    }
}
