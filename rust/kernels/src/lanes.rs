//! Loops over slices, a vector at a time.
//!
//! They are macros, not functions of a closure: the compiler may leave a large closure a function of its own, which then
//! runs without the instructions of the shell around the kernel, tens of times slower.

use crate::simd::{Real, Simd};

/// `map_lanes!(s: S, [outs => out, …] <- [xs => x, …], expression)`: for slices of one length, binds each name to a vector
/// of its slice, and stores what the expression (a tuple, one item for each output) gives. The last vector may be partly
/// loaded and stored. An output may be read: its name is bound to what it held.
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

/// The same with one output, for long expressions: they are compiled once, as the question whether a vector is whole costs little
/// beside them.
macro_rules! map_long {
    ($s:ident: $S:ident, $out:ident <- [$($xs:ident => $x:ident),*], $body:expr) => {{
        let n = $out.len();
        assert!([$($xs.len()),*].iter().all(|&len| len == n), "lengths differ");
        let mut i = 0;
        while i < n {
            let rest = n - i;
            // SAFETY: all slices have `rest` elements from `i` on; no vector is larger unless only so many are asked for.
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

/// The elements of `x`, at most a vector, and `fill` in the lanes behind.
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

/// Asks for the cache line of an address that will be read or written soon; a hint, and none where Rust has no stable way to
/// give it.
#[inline(always)]
pub(crate) fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch accesses nothing, so no address is wrong.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
