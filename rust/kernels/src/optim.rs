//! Updates of parameters, each in one pass over parameter, gradient and state. The formulas are PyTorch's.

use crate::lanes::map_lanes;
use crate::map::{GRAIN_CHEAP, UNIT};
use crate::simd::{Kernel, Real, Simd};
use crate::split::Shared;
use crate::threads;

/// Stochastic gradient descent: `g += weight_decay·p`, `buf = momentum·buf + (1 - dampening)·g`, `p -= lr·buf`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f64,
    /// Momentum; 0 for none.
    pub momentum: f64,
    /// Dampening of momentum.
    pub dampening: f64,
    /// Weight decay, added to the gradient.
    pub weight_decay: f64,
    /// Steps along `g + momentum·buf` instead of `buf`.
    pub nesterov: bool,
    /// Goes up the gradient instead of down.
    pub maximize: bool,
}

/// A parameter of [`sgd`].
pub struct SgdSlot<'a, T> {
    /// The parameter.
    pub p: &'a mut [T],
    /// Its gradient.
    pub g: &'a [T],
    /// The momentum buffer, needed if there is momentum.
    pub buf: Option<&'a mut [T]>,
    /// Whether this is the buffer's first step, which sets it to the gradient.
    pub first: bool,
}

/// Adam (Kingma and Ba, 2015) with L2 regularisation, or AdamW (Loshchilov and Hutter, 2019).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Adam {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of their squares.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether weight decay shrinks the parameter itself (AdamW) instead of being added to the gradient.
    pub decoupled: bool,
    /// Goes up the gradient instead of down.
    pub maximize: bool,
    /// The number of this step, from 1.
    pub step: u64,
}

/// A parameter of [`adam`].
pub struct AdamSlot<'a, T> {
    /// The parameter.
    pub p: &'a mut [T],
    /// Its gradient.
    pub g: &'a [T],
    /// The mean of gradients.
    pub m: &'a mut [T],
    /// The mean of squared gradients.
    pub v: &'a mut [T],
}

/// A step of [`Sgd`] for all parameters.
///
/// # Panics
/// If lengths differ within a slot, or there is momentum but no buffer.
pub fn sgd<T: Real>(slots: &mut [SgdSlot<'_, T>], h: Sgd) {
    for slot in slots.iter() {
        assert_eq!(slot.p.len(), slot.g.len(), "a gradient has its parameter's length");
        assert!(slot.buf.as_ref().is_none_or(|b| b.len() == slot.p.len()), "a buffer has its parameter's length");
        assert!(h.momentum == 0.0 || slot.buf.is_some(), "momentum needs a buffer");
    }
    let parts = slots.iter_mut().map(|slot| {
        let buf = slot.buf.as_mut().filter(|_| h.momentum != 0.0).map(|b| Shared(b.as_mut_ptr()));
        (Shared(slot.p.as_mut_ptr()), slot.g, buf, slot.first)
    });
    let parts: Vec<_> = parts.collect();
    over_slots(
        &parts,
        GRAIN_CHEAP,
        |part| part.1.len(),
        |&(ref p, g, ref buf, first), start, n| {
            // SAFETY: the slot's lengths are equal, and ranges of different tasks do not overlap.
            let (p, buf) = unsafe { (p.part(start, n), buf.as_ref().map(|b| b.part(start, n))) };
            T::run(SgdKernel { p, g: &g[start..start + n], buf, first, h });
        },
    );
}

/// A step of [`Adam`] for all parameters.
///
/// Moments below the smallest normal number become 0: arithmetic on subnormal numbers is slow, and they change nothing.
///
/// # Panics
/// If lengths differ within a slot, or the step is 0.
pub fn adam<T: Real>(slots: &mut [AdamSlot<'_, T>], h: Adam) {
    assert!(h.step > 0, "steps are counted from 1");
    for slot in slots.iter() {
        let n = slot.p.len();
        assert!(
            [slot.g.len(), slot.m.len(), slot.v.len()] == [n; 3],
            "gradient and moments have their parameter's length"
        );
    }
    let parts = slots
        .iter_mut()
        .map(|slot| (Shared(slot.p.as_mut_ptr()), slot.g, Shared(slot.m.as_mut_ptr()), Shared(slot.v.as_mut_ptr())));
    let parts: Vec<_> = parts.collect();
    let step = AdamStep::new(h);
    over_slots(
        &parts,
        GRAIN_ADAM,
        |part| part.1.len(),
        |&(ref p, g, ref m, ref v), start, n| {
            // SAFETY: the slot's lengths are equal, and ranges of different tasks do not overlap.
            let (p, m, v) = unsafe { (p.part(start, n), m.part(start, n), v.part(start, n)) };
            T::run(AdamKernel { p, g: &g[start..start + n], m, v, step });
        },
    );
}

/// Parameters of Adam that pay for a thread: a square root and a division each.
const GRAIN_ADAM: usize = 16 * 1024;

/// Calls `f(slot, start, n)` for ranges of all slots, which tasks share evenly: one entry for a step, however many small
/// parameters it has.
fn over_slots<P: Sync>(
    slots: &[P],
    grain: usize,
    len: impl Fn(&P) -> usize + Sync,
    f: impl Fn(&P, usize, usize) + Sync,
) {
    let total: usize = slots.iter().map(&len).sum();
    let size = total.div_ceil(threads::tasks_for(total, grain)).next_multiple_of(UNIT).max(1);
    threads::run(total.div_ceil(size), |t| {
        let (mut first, mut left) = (t * size, size);
        for slot in slots {
            let n = len(slot);
            if first < n && left > 0 {
                let count = left.min(n - first);
                f(slot, first, count);
                left -= count;
            }
            first = first.saturating_sub(n);
        }
    });
}

struct SgdKernel<'a, T> {
    p: &'a mut [T],
    g: &'a [T],
    buf: Option<&'a mut [T]>,
    first: bool,
    h: Sgd,
}

impl<T: Real> Kernel<T> for SgdKernel<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let SgdKernel { p: ps, g: gs, buf, first, h } = self;
        let (step, momentum, fresh) = (constant(s, -h.lr), constant(s, h.momentum), constant(s, 1.0 - h.dampening));
        match buf {
            None => map_lanes!(s: S, [ps => p] <- [gs => g], (s.mul_add(step, h.direction(s, g, p), p),)),
            Some(bufs) => map_lanes!(s: S, [ps => p, bufs => buf] <- [gs => g], {
                let g = h.direction(s, g, p);
                let buf = if first { g } else { s.mul_add(momentum, buf, s.mul(fresh, g)) };
                let along = if h.nesterov { s.mul_add(momentum, buf, g) } else { buf };
                (s.mul_add(step, along, p), buf)
            }),
        }
    }
}

impl Sgd {
    /// The direction that is descended, from gradient and parameter.
    #[inline(always)]
    fn direction<T: Real, S: Simd<T>>(self, s: S, g: S::V, p: S::V) -> S::V {
        let g = if self.maximize { s.neg(g) } else { g };
        if self.weight_decay == 0.0 { g } else { s.mul_add(constant(s, self.weight_decay), p, g) }
    }
}

#[inline(always)]
fn constant<T: Real, S: Simd<T>>(s: S, x: f64) -> S::V {
    s.splat(T::from_f64(x))
}

/// A step of Adam, and what it multiplies by, computed in double precision.
#[derive(Clone, Copy)]
struct AdamStep {
    h: Adam,
    /// Learning rate over the first moment's bias correction.
    lr: f64,
    /// One over the root of the second moment's bias correction.
    root: f64,
}

impl AdamStep {
    fn new(h: Adam) -> Self {
        let correction = |beta: f64| 1.0 - libm::pow(beta, h.step as f64);
        Self { h, lr: h.lr / correction(h.beta1), root: 1.0 / correction(h.beta2).sqrt() }
    }
}

/// 0 for subnormal numbers.
#[inline(always)]
fn flush<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    s.select(s.lt(s.abs(x), s.splat(T::MIN_NORMAL)), s.splat(T::ZERO), x)
}

struct AdamKernel<'a, T> {
    p: &'a mut [T],
    g: &'a [T],
    m: &'a mut [T],
    v: &'a mut [T],
    step: AdamStep,
}

impl<T: Real> Kernel<T> for AdamKernel<'_, T> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        let AdamKernel { p: ps, g: gs, m: ms, v: vs, step } = self;
        let h = step.h;
        let (decay, shrink) = (constant(s, h.weight_decay), constant(s, 1.0 - h.lr * h.weight_decay));
        let (fresh1, beta2, fresh2) = (constant(s, 1.0 - h.beta1), constant(s, h.beta2), constant(s, 1.0 - h.beta2));
        let (lr, root, eps) = (constant(s, -step.lr), constant(s, step.root), constant(s, h.eps));
        map_lanes!(s: S, [ps => p, ms => m, vs => v] <- [gs => g], {
            let g = if h.maximize { s.neg(g) } else { g };
            let (g, p) = match h.decoupled {
                _ if h.weight_decay == 0.0 => (g, p),
                true => (g, s.mul(p, shrink)),
                false => (s.mul_add(decay, p, g), p),
            };
            let m = flush(s, s.mul_add(s.sub(g, m), fresh1, m));
            let v = flush(s, s.mul_add(beta2, v, s.mul(s.mul(fresh2, g), g)));
            let denominator = s.mul_add(s.sqrt(v), root, eps);
            (s.mul_add(lr, s.div(m, denominator), p), m, v)
        });
    }
}
