//! Loops over slices, a vector at a time.
//!
//! They are macros, not functions that take a closure: the compiler may not inline a large closure, which then runs
//! without the target features of the shell around the kernel, tens of times slower.

use crate::simd::{Real, Simd};

/// `map_lanes!(s: S, [outs => out, …] <- [xs => x, …], expression)`: for slices of one length, binds each name to a
/// vector of its slice, and stores the value of the expression (a tuple, one item for each output). The last vector may
/// be a partial load and store. An output may be read: its name is bound to its previous contents.
macro_rules! map_lanes {
    ($s:ident: $S:ident, [$($outs:ident => $out:ident),+] <- [$($xs:ident => $x:ident),*], $body:expr) => {{
        let n = [$($outs.len()),+][0];
        assert!([$($outs.len(),)+ $($xs.len()),*].iter().all(|&len| len == n), "lengths differ");
        let mut i = 0;
        while i + $S::LANES <= n {
            // SAFETY: all slices have `n` elements, and a vector from `i` on ends within.
            unsafe {
                $(let $x = $s.load($xs.as_ptr().add(i));)*
                #[allow(unused_variables)]
                let ($($out,)+) = ($($s.load($outs.as_ptr().add(i)),)+);
                let ($($out,)+) = $body;
                $($s.store($outs.as_mut_ptr().add(i), $out);)+
            }
            i += $S::LANES;
        }
        if i < n {
            let rest = n - i;
            // SAFETY: all slices have `rest` elements from `i` on, and `rest` is less than a vector.
            unsafe {
                $(let $x = $s.load_head($xs.as_ptr().add(i), rest);)*
                #[allow(unused_variables)]
                let ($($out,)+) = ($($s.load_head($outs.as_ptr().add(i), rest),)+);
                let ($($out,)+) = $body;
                $($s.store_head($outs.as_mut_ptr().add(i), $out, rest);)+
            }
        }
    }};
}
pub(crate) use map_lanes;

/// The same with one output, for long expressions: they are compiled once, since testing whether a vector is whole
/// costs little in comparison.
macro_rules! map_long {
    ($s:ident: $S:ident, $out:ident <- [$($xs:ident => $x:ident),*], $body:expr) => {{
        let n = $out.len();
        assert!([$($xs.len()),*].iter().all(|&len| len == n), "lengths differ");
        let mut i = 0;
        while i < n {
            let rest = n - i;
            // SAFETY: all slices have `rest` elements from `i` on; a vector with more lanes is loaded and stored
            // partially.
            unsafe {
                $(let $x = if rest >= $S::LANES {
                    $s.load($xs.as_ptr().add(i))
                } else {
                    $s.load_head($xs.as_ptr().add(i), rest)
                };)*
                let out = $body;
                if rest >= $S::LANES {
                    $s.store($out.as_mut_ptr().add(i), out);
                } else {
                    $s.store_head($out.as_mut_ptr().add(i), out, rest);
                }
            }
            i += $S::LANES;
        }
    }};
}
pub(crate) use map_long;

/// The elements of `x`, at most a vector, and `fill` in the remaining lanes.
#[inline(always)]
pub(crate) fn load_or<T: Real, S: Simd<T>>(s: S, x: &[T], fill: T) -> S::V {
    assert!(x.len() <= S::LANES);
    let mut places = T::Lanes::default();
    for (i, place) in places.as_mut().iter_mut().enumerate() {
        *place = T::from_f64(i as f64);
    }
    // SAFETY: `x` is no longer than a vector.
    let v = unsafe { s.load_head(x.as_ptr(), x.len()) };
    s.select(s.lt(s.load_array(&places), s.splat(T::from_f64(x.len() as f64))), v, s.splat(fill))
}

/// Prefetches the cache line of an address that will be read or written soon; does nothing where Rust has no stable
/// intrinsic for it.
#[inline(always)]
pub(crate) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch does not fault, so every address is allowed.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
