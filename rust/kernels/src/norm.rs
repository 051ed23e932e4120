//! Normalisation of a contiguous, row-major matrix by the statistics of its rows or of its columns, with its
//! derivative.
//!
//! With x̂ = (x − mean)·scale, where scale = 1/√(var + ε), the value is x̂·w + b for a weight and a bias of each
//! column. Sums over rows are computed in blocks of [`BLOCK`] rows, and the caller adds those of the blocks, so that
//! they do not depend on the number of threads.

use crate::entries::entries;
use crate::lanes::map_lanes;
use crate::math::unless_zero;
use crate::reduce::fold::Sum;
use crate::reduce::{Axes, Reduce, Reductions, reduce, squares};
use crate::simd::{Kernel, Real, Simd};
use crate::softmax::rows::{group_rows, is_zero, rows, sum_row};
use crate::split::{GRAIN_CHEAP, split};

/// Rows of a block of partial sums.
pub const BLOCK: usize = 32;

/// A matrix with the statistics that normalise it.
#[derive(Clone, Copy, Debug)]
pub struct Normal<'a, T> {
    /// The elements.
    pub x: &'a [T],
    /// The number of columns; 0 only if there are no elements.
    pub cols: usize,
    /// The mean of each row, or of each column.
    pub mean: &'a [T],
    /// 1/√(var + ε) of each row, or of each column.
    pub scale: &'a [T],
    /// Whether the statistics are those of columns.
    pub by_column: bool,
}

impl<T> Normal<'_, T> {
    /// Panics unless the lengths agree.
    fn check(&self) {
        let groups = groups(self.x.len(), self.cols, self.by_column);
        assert!(
            self.mean.len() == groups && self.scale.len() == groups,
            "a matrix has one mean and one scale for each group"
        );
    }
}

/// The number of rows of a matrix, or of columns.
fn groups(len: usize, cols: usize, by_column: bool) -> usize {
    assert!(len == 0 || cols > 0 && len.is_multiple_of(cols), "the length must be a multiple of the row length");
    if by_column { cols } else { len.checked_div(cols).unwrap_or(0) }
}

entries! { Norms for [f32 f64] where T: Real {
    /// The statistics of the rows of a matrix `x`, or of its columns, in three outputs: means, variances (mean squared
    /// distances from the means), and `1/√(var + eps)`. Unless `centred`, the means are taken as 0.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn statistics(
        out: [&mut [T]; 3],
        x: &[T],
        cols: usize,
        by_column: bool,
        centred: bool,
        eps: T,
    ) = statistics_body;
    /// `out[i][j] = x̂[i][j]·weight[j] + bias[j]`.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn normalize(out: &mut [T], of: Normal<T>, weight: &[T], bias: &[T]) = normalize_body;
    /// For each block of rows, the column sums of `g·x̂`, and then those of `g`. Where `g` is 0, so is the product.
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn sums(out: &mut [T], of: Normal<T>, g: &[T]) = sums_body;
    /// The gradient with respect to x for statistics of rows, given that with respect to the value, `g`: `scale·(h -
    /// mean(h) - x̂·mean(h·x̂))` with `h = g·weight`, and without `mean(h)` unless `centred`; 0 in rows where `g` is 0.
    ///
    /// # Panics
    /// If the lengths do not fit, or the statistics are those of columns.
    pub fn row_grad(out: &mut [T], of: Normal<T>, g: &[T], weight: &[T], centred: bool) = row_grad_body;
    /// The same for statistics of columns, given the [`sums`] over all rows; 0 in columns where these and `g` are 0.
    ///
    /// # Panics
    /// If the lengths do not fit, or the statistics are those of rows.
    pub fn column_grad(out: &mut [T], of: Normal<T>, g: &[T], weight: &[T], sums: &[T]) = column_grad_body;
} }

fn statistics_body<T: Reductions>(
    [mean, var, scale]: [&mut [T]; 3],
    x: &[T],
    cols: usize,
    by_column: bool,
    centred: bool,
    eps: T,
) {
    let lengths = [mean.len(), var.len(), scale.len()];
    assert_eq!(
        lengths,
        [groups(x.len(), cols, by_column); 3],
        "there must be one statistic of each kind for each row or column"
    );
    let rows = [groups(x.len(), cols, false)];
    let cols = [cols];
    let (down, along) = (Axes::new(&rows, &cols), Axes::new(&cols, &[1]));
    let (kept, reduced) = if by_column { (along, down) } else { (down, along) };
    let n = T::from_f64(reduced.shape[0] as f64);
    if centred {
        reduce(Reduce::Sum, mean, x, kept, reduced);
    } else {
        mean.fill(T::ZERO);
    }
    T::run(Divide { x: mean, n });
    squares(var, x, mean, kept, reduced);
    T::run(Divide { x: var, n });
    T::run(Scales { scale, var, eps });
}

struct Divide<'a, T> {
    x: &'a mut [T],
    n: T,
}

impl<T: Real> Kernel<T> for Divide<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let (x, n) = (self.x, s.splat(self.n));
        map_lanes!(s: S, [x => y] <- [], (s.div(y, n),));
    }
}

struct Scales<'a, T> {
    scale: &'a mut [T],
    var: &'a [T],
    eps: T,
}

impl<T: Real> Kernel<T> for Scales<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let (scale, var) = (self.scale, self.var);
        let (one, eps) = (s.splat(T::ONE), s.splat(self.eps));
        map_lanes!(s: S, [scale => y] <- [var => v], (s.div(one, s.sqrt(s.add(v, eps))),));
    }
}

/// Calls the kernel for parts of whole rows of `out`, with the same rows of the matrix and of its gradient.
fn by_rows<'a, T: Real>(
    out: &mut [T],
    of: Normal<'a, T>,
    g: &'a [T],
    f: impl Fn(&mut [T], Normal<'a, T>, &'a [T]) + Sync,
) {
    of.check();
    assert!(out.len() == of.x.len() && (g.is_empty() || g.len() == of.x.len()), "the matrices must have the same size");
    if out.is_empty() {
        return;
    }
    split(out, of.cols * BLOCK, GRAIN_CHEAP, |start, out| {
        let (first, end) = (start / of.cols, (start + out.len()) / of.cols);
        f(out, part(of, first, end), if g.is_empty() { g } else { &g[start..start + out.len()] });
    });
}

/// Some rows of a matrix.
fn part<T: Real>(of: Normal<T>, first: usize, end: usize) -> Normal<T> {
    let x = &of.x[first * of.cols..end * of.cols];
    if of.by_column {
        Normal { x, ..of }
    } else {
        Normal { x, mean: &of.mean[first..end], scale: &of.scale[first..end], ..of }
    }
}

fn normalize_body<T: Real>(out: &mut [T], of: Normal<T>, weight: &[T], bias: &[T]) {
    assert!(weight.len() == of.cols && bias.len() == of.cols, "there must be one weight and one bias for each column");
    by_rows(out, of, &[], |out, of, _| T::run(Normalize { out, of, weight, bias }));
}

struct Normalize<'a, T> {
    out: &'a mut [T],
    of: Normal<'a, T>,
    weight: &'a [T],
    bias: &'a [T],
}

impl<T: Real> Kernel<T> for Normalize<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Normalize { out, of, weight, bias } = self;
        for (i, (out, x)) in out.chunks_exact_mut(of.cols).zip(of.x.chunks_exact(of.cols)).enumerate() {
            if of.by_column {
                let (mean, scale) = (of.mean, of.scale);
                map_lanes!(s: S, [out => y] <- [x => x, mean => m, scale => k, weight => w, bias => b],
                    (s.mul_add(s.mul(s.sub(x, m), k), w, b),));
            } else {
                let (m, k) = (s.splat(of.mean[i]), s.splat(of.scale[i]));
                map_lanes!(s: S, [out => y] <- [x => x, weight => w, bias => b],
                    (s.mul_add(s.mul(s.sub(x, m), k), w, b),));
            }
        }
    }
}

fn sums_body<T: Real>(out: &mut [T], of: Normal<T>, g: &[T]) {
    of.check();
    assert_eq!(of.x.len(), g.len(), "the matrices must have the same size");
    let rows = groups(of.x.len(), of.cols, false);
    assert_eq!(out.len(), rows.div_ceil(BLOCK) * 2 * of.cols, "there must be two sums for each block and column");
    if out.is_empty() {
        return;
    }
    split(out, 2 * of.cols, GRAIN_CHEAP.div_ceil(BLOCK / 2), |start, out| {
        let first = start / (2 * of.cols) * BLOCK;
        let end = rows.min(first + out.len() / (2 * of.cols) * BLOCK);
        T::run(Sums { out, of: part(of, first, end), g: &g[first * of.cols..end * of.cols] });
    });
}

struct Sums<'a, T> {
    out: &'a mut [T],
    of: Normal<'a, T>,
    g: &'a [T],
}

impl<T: Real> Kernel<T> for Sums<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let Sums { out, of, g } = self;
        out.fill(T::ZERO);
        let rows = of.x.chunks_exact(of.cols).zip(g.chunks_exact(of.cols));
        for (i, (x, g)) in rows.enumerate() {
            let (products, plain) = out[i / BLOCK * 2 * of.cols..][..2 * of.cols].split_at_mut(of.cols);
            if of.by_column {
                let (mean, scale) = (of.mean, of.scale);
                map_lanes!(s: S, [products => p, plain => q] <- [x => x, g => g, mean => m, scale => k],
                    (s.mul_add(g, unless_zero(s, g, s.mul(s.sub(x, m), k)), p), s.add(q, g)));
            } else {
                let (m, k) = (s.splat(of.mean[i]), s.splat(of.scale[i]));
                map_lanes!(s: S, [products => p, plain => q] <- [x => x, g => g],
                    (s.mul_add(g, unless_zero(s, g, s.mul(s.sub(x, m), k)), p), s.add(q, g)));
            }
        }
    }
}

fn row_grad_body<T: Real>(out: &mut [T], of: Normal<T>, g: &[T], weight: &[T], centred: bool) {
    assert!(
        !of.by_column && weight.len() == of.cols && g.len() == out.len(),
        "the gradient of rows needs a weight for each column"
    );
    by_rows(out, of, g, |out, of, g| T::run(RowGrad { out, of, g, weight, centred }));
}

struct RowGrad<'a, T> {
    out: &'a mut [T],
    of: Normal<'a, T>,
    g: &'a [T],
    weight: &'a [T],
    centred: bool,
}

impl<'a, T: Real> Kernel<T> for RowGrad<'a, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let RowGrad { out, of, g, weight, centred } = self;
        let (cols, count) = (of.cols, group_rows::<T, S>(of.cols));
        let n = s.splat(T::from_f64(cols as f64));
        let blocks = out.chunks_mut(count * cols).zip(of.x.chunks(count * cols).zip(g.chunks(count * cols)));
        for ((out, (x, g)), (mean, scale)) in blocks.zip(of.mean.chunks(count).zip(of.scale.chunks(count))) {
            let row = |of: &'a [T], i: usize| &of[i * cols..][..cols];
            let plain = if centred {
                s.div(rows!(s: S, Sum, i in mean.len(), sum_row(s, row(g, i), Some(weight))), n)
            } else {
                s.splat(T::ZERO)
            };
            let products =
                rows!(s: S, Sum, i in mean.len(), sum_products(s, row(x, i), row(g, i), weight, mean[i], scale[i]));
            let (plain, products) = (s.to_array(plain), s.to_array(s.div(products, n)));
            for (i, out) in out.chunks_exact_mut(cols).enumerate() {
                let (x, g) = (row(x, i), row(g, i));
                // Tested only where a zero is possible.
                if products.as_ref()[i].to_f64().is_nan() && is_zero(g) {
                    out.fill(T::ZERO);
                    continue;
                }
                let (m, k) = (s.splat(mean[i]), s.splat(scale[i]));
                let (plain, product) = (s.splat(plain.as_ref()[i]), s.splat(products.as_ref()[i]));
                map_lanes!(s: S, [out => y] <- [x => x, g => g, weight => w], {
                    let y = s.mul(s.sub(x, m), k);
                    (s.mul(k, s.sub(s.sub(s.mul(g, w), plain), s.mul(y, product))),)
                });
            }
        }
    }
}

/// A vector whose lanes sum to `Σ g·weight·x̂`.
#[inline(always)]
fn sum_products<T: Real, S: Simd<T>>(s: S, x: &[T], g: &[T], weight: &[T], mean: T, scale: T) -> S::V {
    /// Vectors of a partial sum: bounds the error of long rows.
    const VECTORS: usize = 32;
    let (m, k) = (s.splat(mean), s.splat(scale));
    let mut total = s.splat(T::ZERO);
    let parts = x.chunks(VECTORS * S::LANES).zip(g.chunks(VECTORS * S::LANES)).zip(weight.chunks(VECTORS * S::LANES));
    for ((x, g), w) in parts {
        let mut sum = [s.splat(T::ZERO); 2];
        for (i, ((x, g), w)) in x.chunks(S::LANES).zip(g.chunks(S::LANES)).zip(w.chunks(S::LANES)).enumerate() {
            // SAFETY: the three have the same length, of at most a vector.
            let (x, g, w) = unsafe {
                if x.len() == S::LANES {
                    (s.load(x.as_ptr()), s.load(g.as_ptr()), s.load(w.as_ptr()))
                } else {
                    let n = x.len();
                    (s.load_head(x.as_ptr(), n), s.load_head(g.as_ptr(), n), s.load_head(w.as_ptr(), n))
                }
            };
            sum[i % 2] = s.mul_add(s.mul(g, w), s.mul(s.sub(x, m), k), sum[i % 2]);
        }
        total = s.add(total, s.add(sum[0], sum[1]));
    }
    total
}

fn column_grad_body<T: Real>(out: &mut [T], of: Normal<T>, g: &[T], weight: &[T], sums: &[T]) {
    let fits = of.by_column && weight.len() == of.cols && sums.len() == 2 * of.cols && g.len() == out.len();
    assert!(fits, "the gradient of columns needs a weight and two sums for each");
    let n = T::from_f64(groups(of.x.len(), of.cols, false) as f64);
    by_rows(out, of, g, |out, of, g| T::run(ColumnGrad { out, of, g, weight, sums, n }));
}

struct ColumnGrad<'a, T> {
    out: &'a mut [T],
    of: Normal<'a, T>,
    g: &'a [T],
    weight: &'a [T],
    sums: &'a [T],
    /// Rows of the whole matrix.
    n: T,
}

impl<T: Real> Kernel<T> for ColumnGrad<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let ColumnGrad { out, of, g, weight, sums, n } = self;
        let (mean, scale) = (of.mean, of.scale);
        let (products, plain) = sums.split_at(of.cols);
        let share = s.splat(T::ONE / n);
        for (out, (x, g)) in out.chunks_exact_mut(of.cols).zip(of.x.chunks_exact(of.cols).zip(g.chunks_exact(of.cols)))
        {
            map_lanes!(s: S,
            [out => y] <- [x => x, g => g, mean => m, scale => k, weight => w, products => p, plain => q], {
                let y = unless_zero(s, p, s.mul(s.sub(x, m), k));
                let rest = s.sub(s.sub(g, s.mul(q, share)), s.mul(y, s.mul(p, share)));
                (s.mul(unless_zero(s, rest, s.mul(k, w)), rest),)
            });
        }
    }
}
