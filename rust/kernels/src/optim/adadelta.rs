use super::{Counts, GRAIN_ROOT, MAX_STATES, Rule, average_square, constant, descent, settings};
use crate::lanes::map_lanes;
use crate::simd::{Real, Simd};

settings! {
    /// Adadelta (Zeiler, 2012): `v = rho·v + (1 - rho)·g²`, `d = √(u + eps) / √(v + eps) · g`, `u = rho·u + (1 - rho)·d²`
    /// and `p -= lr·d`.
    Adadelta {
        /// Factor of the step.
        lr: NotNegative,
        /// Decay rate of the running averages of squares.
        rho: Fraction,
        /// Added under the square roots.
        eps: NotNegative,
        /// Weight decay, added to the gradient.
        weight_decay: NotNegative,
        /// Goes up the gradient instead of down.
        maximize: Flag,
    }
}

impl Rule for Adadelta {
    const STATES: &'static [&'static str] = &["square_avg", "acc_delta"];
    const GRAIN: usize = GRAIN_ROOT;
    type Ready = Self;

    fn ready(self, _: Counts, _: bool) -> Self {
        self
    }

    #[inline(always)]
    fn pass<T: Real, S: Simd<T>>(h: Self, s: S, ps: &mut [T], gs: &[T], [vs, us, _]: [&mut [T]; MAX_STATES]) {
        let (lr, eps) = (constant(s, -h.lr), constant(s, h.eps));
        map_lanes!(s: S, [ps => p, vs => v, us => u] <- [gs => g], {
            let g = descent(s, g, p, h.maximize, h.weight_decay);
            let v = average_square(s, h.rho, v, g);
            let d = s.mul(s.div(s.sqrt(s.add(u, eps)), s.sqrt(s.add(v, eps))), g);
            (s.mul_add(lr, d, p), v, average_square(s, h.rho, u, d))
        });
    }
}
