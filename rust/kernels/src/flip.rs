//! Reversal of dimensions.

use crate::simd::Element;
use crate::split::{GRAIN_CHEAP, split};
use crate::view::size;

/// `out[i, j, …] = x[i′, j′, …]`, both row-major over `shape`: along the dimensions in `dims`, i′ = n − 1 − i, along
/// the others i′ = i.
///
/// # Panics
/// If `out` or `x` does not have the shape's number of elements.
pub fn flip<T: Element>(out: &mut [T], x: &[T], shape: &[usize], dims: &[usize]) {
    assert_eq!(out.len(), size(shape), "the output has the wrong number of elements");
    assert_eq!(out.len(), x.len(), "flipping needs equal lengths");
    if out.is_empty() {
        return;
    }
    let Some(&last) = dims.iter().max() else { return out.copy_from_slice(x) };
    // What is copied as a block: all dimensions after the last one in `dims`; or, reversed, that one itself.
    let inner: usize = shape[last + 1..].iter().product();
    let (outer, width) = if inner > 1 { (&shape[..=last], inner) } else { (&shape[..last], shape[last]) };
    split(out, width, GRAIN_CHEAP, |start, out| {
        for (k, out) in out.chunks_exact_mut(width).enumerate() {
            let from = width * source(start / width + k, outer, dims);
            let x = &x[from..from + width];
            if inner > 1 {
                out.copy_from_slice(x);
            } else {
                for (out, &x) in out.iter_mut().zip(x.iter().rev()) {
                    *out = x;
                }
            }
        }
    });
}

/// The index of the element of a row-major block that moves to index `to` when `dims` are flipped.
fn source(mut to: usize, shape: &[usize], dims: &[usize]) -> usize {
    let (mut from, mut stride) = (0, 1);
    for (d, &n) in shape.iter().enumerate().rev() {
        let i = to % n;
        to /= n;
        from += stride * if dims.contains(&d) { n - 1 - i } else { i };
        stride *= n;
    }
    from
}
