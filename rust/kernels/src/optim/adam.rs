use super::{Counts, GRAIN_ROOT, MAX_STATES, Rule, average, average_square, constant, descent, settings};
use crate::lanes::map_lanes;
use crate::simd::{Real, Simd};

settings! {
    /// Adam (Kingma and Ba, 2015) with L2 regularisation, or [`AdamW`] (Loshchilov and Hutter, 2019).
    ///
    /// `m = β₁·m + (1 - β₁)·g`, `v = β₂·v + (1 - β₂)·g²`, and `p -= lr·m̂ / (√v̂ + eps)`, where `m̂` and `v̂` are `m` and
    /// `v` over `1 - βᵗ`.
    Adam<DECOUPLED> {
        /// Learning rate.
        lr: NotNegative,
        /// Decay rates of the two moments.
        betas: Fractions,
        /// Added to the denominator.
        eps: NotNegative,
        /// Weight decay.
        weight_decay: NotNegative,
        /// Divides by the largest `v` so far (Reddi et al., 2018).
        amsgrad: Flag,
        /// Goes up the gradient instead of down.
        maximize: Flag,
    }
}

/// Adam with decoupled weight decay, which shrinks the parameter itself instead of being added to the gradient.
pub type AdamW = Adam<true>;

/// The settings with the bias corrections of one step.
#[derive(Clone, Copy)]
pub struct Ready<const DECOUPLED: bool> {
    h: Adam<DECOUPLED>,
    /// Learning rate over the first moment's bias correction.
    lr: f64,
    /// One over the root of the second moment's bias correction.
    root: f64,
}

impl<const DECOUPLED: bool> Rule for Adam<DECOUPLED> {
    const STATES: &'static [&'static str] = &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"];
    const GRAIN: usize = GRAIN_ROOT;
    type Ready = Ready<DECOUPLED>;

    fn states(&self) -> &'static [&'static str] {
        &Self::STATES[..if self.amsgrad { 3 } else { 2 }]
    }

    fn ready(self, counts: Counts, _: bool) -> Self::Ready {
        let correction = |beta: f64| 1.0 - libm::pow(beta, counts.step as f64);
        Ready { h: self, lr: self.lr / correction(self.betas[0]), root: 1.0 / correction(self.betas[1]).sqrt() }
    }

    #[inline(always)]
    fn pass<T: Real, S: Simd<T>>(
        ready: Self::Ready,
        s: S,
        ps: &mut [T],
        gs: &[T],
        [ms, vs, tops]: [&mut [T]; MAX_STATES],
    ) {
        let h = ready.h;
        let (shrink, added) = if DECOUPLED { (h.lr * h.weight_decay, 0.0) } else { (0.0, h.weight_decay) };
        let keep = constant(s, 1.0 - shrink);
        let (lr, root, eps) = (constant(s, -ready.lr), constant(s, ready.root), constant(s, h.eps));
        if h.amsgrad {
            map_lanes!(s: S, [ps => p, ms => m, vs => v, tops => top] <- [gs => g], {
                let g = descent(s, g, p, h.maximize, added);
                let (m, v) = (average(s, h.betas[0], m, g), average_square(s, h.betas[1], v, g));
                let top = s.max(top, v);
                let step = s.div(m, s.mul_add(s.sqrt(top), root, eps));
                (s.mul_add(lr, step, if shrink == 0.0 { p } else { s.mul(p, keep) }), m, v, top)
            });
        } else {
            map_lanes!(s: S, [ps => p, ms => m, vs => v] <- [gs => g], {
                let g = descent(s, g, p, h.maximize, added);
                let (m, v) = (average(s, h.betas[0], m, g), average_square(s, h.betas[1], v, g));
                let step = s.div(m, s.mul_add(s.sqrt(v), root, eps));
                (s.mul_add(lr, step, if shrink == 0.0 { p } else { s.mul(p, keep) }), m, v)
            });
        }
    }
}
