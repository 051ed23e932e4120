//! Update rules of optimizers, each one pass over parameter, gradient and state. The formulas are PyTorch's.
//!
//! In the formulas, `g` is the gradient, negated if the rule maximizes, plus `weight_decay·p` unless that is decoupled.

mod adadelta;
mod adagrad;
mod adam;
mod nadam;
mod rmsprop;
mod rules;
mod settings;
mod sgd;

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::{Adam, AdamW};
pub use nadam::NAdam;
pub use rmsprop::RmsProp;
pub use rules::{AnyRule, Ready};
use settings::settings;
pub use settings::{Setting, Settings};
pub use sgd::Sgd;

use crate::simd::{Kernel, Real, Simd};
use crate::split::{Shared, UNIT};
use crate::threads;

/// The largest number of state tensors per parameter.
pub const MAX_STATES: usize = 3;

/// An optimizer's settings and update rule.
pub trait Rule: Settings + Copy + PartialEq + Send + Sync {
    /// Elements that pay for a thread.
    const GRAIN: usize;
    /// PyTorch's names of the state tensors that a parameter may have.
    const STATES: &'static [&'static str];
    /// The names of the state numbers of each parameter: none, `step`, or `step` and `mu_product`.
    const COUNTS: &'static [&'static str] = &["step"];
    /// The settings and the factors of one step, computed in double precision.
    type Ready: Copy + Sync;

    /// The state tensors that these settings need, in the order of a [`Slot`]'s.
    fn states(&self) -> &'static [&'static str] {
        Self::STATES
    }
    /// Why these settings do not go together, if they do not.
    fn conflict(&self) -> Option<&'static str> {
        None
    }
    /// The initial value of the state tensors.
    fn initial(&self) -> f64 {
        0.0
    }
    /// The state numbers after the next step.
    fn count(&self, before: Counts) -> Counts {
        Counts { step: before.step + 1, ..before }
    }
    /// The factors of the step that `counts` includes. `fresh` says that the state holds initial values.
    fn ready(self, counts: Counts, fresh: bool) -> Self::Ready;
    /// The update of slices of equal length.
    fn pass<T: Real, S: Simd<T>>(ready: Self::Ready, s: S, p: &mut [T], g: &[T], state: [&mut [T]; MAX_STATES]);
}

/// The state numbers of a parameter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Counts {
    /// Number of steps so far.
    pub step: u64,
    /// `NAdam`: the product of the momenta so far.
    pub mu_product: f64,
}

impl Default for Counts {
    fn default() -> Self {
        Self { step: 0, mu_product: 1.0 }
    }
}

/// A parameter of [`step`].
pub struct Slot<'a, T> {
    p: Shared<'a, T>,
    g: &'a [T],
    state: [Shared<'a, T>; MAX_STATES],
    ready: Ready,
}

impl<'a, T> Slot<'a, T> {
    /// The parameter, its gradient, and one slice for each state tensor of the rule; the others are not accessed.
    ///
    /// # Panics
    /// If lengths differ.
    pub fn new(ready: Ready, p: &'a mut [T], g: &'a [T], state: [&'a mut [T]; MAX_STATES]) -> Self {
        assert!(p.len() == g.len(), "a gradient has its parameter's length");
        assert!(state[..ready.kept].iter().all(|s| s.len() == g.len()), "a state has its parameter's length");
        Self { p: Shared::new(p), g, state: state.map(Shared::new), ready }
    }
}

/// Updates all parameters, in one parallel region.
///
/// Running averages below the smallest normal number are flushed to 0: arithmetic on subnormal numbers is slow, and
/// they make no difference.
pub fn step<T: Real>(slots: &mut [Slot<'_, T>]) {
    over_slots(slots, |slot, start, n| {
        // SAFETY: the lengths of parameter and kept states are equal, and ranges of different tasks do not overlap. For
        // a state that is not kept, the range is empty.
        let (p, state) = unsafe {
            let range = |i| if i < slot.ready.kept { (start, n) } else { (0, 0) };
            (slot.p.part(start, n), [0, 1, 2].map(|i| slot.state[i].part(range(i).0, range(i).1)))
        };
        slot.ready.run(p, &slot.g[start..start + n], state);
    });
}

/// Calls `f(slot, start, n)` for ranges of all slots, evenly divided between tasks: one parallel region for a step,
/// however many small parameters it has.
fn over_slots<T: Real>(slots: &[Slot<'_, T>], f: impl Fn(&Slot<'_, T>, usize, usize) + Sync) {
    let total: usize = slots.iter().map(|slot| slot.g.len()).sum();
    let grain = slots.iter().map(|slot| slot.ready.grain).min().unwrap_or(UNIT);
    let size = total.div_ceil(threads::tasks_for(total, grain)).next_multiple_of(UNIT).max(1);
    threads::run(total.div_ceil(size), |t| {
        let (mut first, mut left) = (t * size, size);
        for slot in slots {
            let n = slot.g.len();
            if first < n && left > 0 {
                let count = left.min(n - first);
                f(slot, first, count);
                left -= count;
            }
            first = first.saturating_sub(n);
        }
    });
}

struct Pass<'a, T, R: Rule> {
    p: &'a mut [T],
    g: &'a [T],
    state: [&'a mut [T]; MAX_STATES],
    ready: R::Ready,
}

impl<T: Real, R: Rule> Kernel<T> for Pass<'_, T, R> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) {
        R::pass(self.ready, s, self.p, self.g, self.state);
    }
}

/// Elements that pay for a thread where each costs a square root and a division.
const GRAIN_ROOT: usize = 16 * 1024;

#[inline(always)]
fn constant<T: Real, S: Simd<T>>(s: S, x: f64) -> S::V {
    s.splat(T::from_f64(x))
}

/// The gradient to descend: negated to maximize, and with the L2 penalty's gradient, if there is a penalty.
#[inline(always)]
fn descent<T: Real, S: Simd<T>>(s: S, g: S::V, p: S::V, maximize: bool, weight_decay: f64) -> S::V {
    let g = if maximize { s.neg(g) } else { g };
    if weight_decay == 0.0 { g } else { s.mul_add(constant(s, weight_decay), p, g) }
}

/// `x + (1 - keep)·(g - x)`.
#[inline(always)]
fn average<T: Real, S: Simd<T>>(s: S, keep: f64, x: S::V, g: S::V) -> S::V {
    flush(s, s.mul_add(s.sub(g, x), constant(s, 1.0 - keep), x))
}

/// `keep·x + (1 - keep)·g²`.
#[inline(always)]
fn average_square<T: Real, S: Simd<T>>(s: S, keep: f64, x: S::V, g: S::V) -> S::V {
    flush(s, s.mul_add(constant(s, keep), x, s.mul(s.mul(constant(s, 1.0 - keep), g), g)))
}

/// Flushes subnormal numbers to 0.
#[inline(always)]
fn flush<T: Real, S: Simd<T>>(s: S, x: S::V) -> S::V {
    s.select(s.lt(s.abs(x), s.splat(T::MIN_NORMAL)), s.splat(T::ZERO), x)
}
