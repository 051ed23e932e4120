use super::{Counts, GRAIN_ROOT, MAX_STATES, Rule, constant, descent, settings};
use crate::lanes::map_lanes;
use crate::simd::{Real, Simd};

settings! {
    /// Adagrad (Duchi et al., 2011): `v += g²` and `p -= lr / (1 + (t - 1)·lr_decay) · g / (√v + eps)`.
    Adagrad {
        /// Learning rate.
        lr: NotNegative,
        /// How fast the learning rate falls.
        lr_decay: NotNegative,
        /// Weight decay, added to the gradient.
        weight_decay: NotNegative,
        /// Initial value of `v`.
        initial_accumulator_value: NotNegative,
        /// Added to the denominator.
        eps: NotNegative,
        /// Goes up the gradient instead of down.
        maximize: Flag,
    }
}

impl Rule for Adagrad {
    const STATES: &'static [&'static str] = &["sum"];
    const GRAIN: usize = GRAIN_ROOT;
    /// With the learning rate of this step.
    type Ready = Self;

    fn initial(&self) -> f64 {
        self.initial_accumulator_value
    }

    fn ready(self, counts: Counts, _: bool) -> Self {
        Self { lr: self.lr / (1.0 + (counts.step - 1) as f64 * self.lr_decay), ..self }
    }

    #[inline(always)]
    fn pass<T: Real, S: Simd<T>>(h: Self, s: S, ps: &mut [T], gs: &[T], [sums, ..]: [&mut [T]; MAX_STATES]) {
        let (lr, eps) = (constant(s, -h.lr), constant(s, h.eps));
        map_lanes!(s: S, [ps => p, sums => sum] <- [gs => g], {
            let g = descent(s, g, p, h.maximize, h.weight_decay);
            let sum = s.mul_add(g, g, sum);
            (s.mul_add(lr, s.div(g, s.add(s.sqrt(sum), eps)), p), sum)
        });
    }
}
