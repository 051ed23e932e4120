use super::{Counts, GRAIN_ROOT, MAX_STATES, Rule, average, average_square, constant, descent, settings};
use crate::lanes::map_lanes;
use crate::simd::{Real, Simd};

settings! {
    /// Adam with Nesterov's momentum (Dozat, 2016).
    ///
    /// With `μₜ = β₁·(1 - 0.96^(t·momentum_decay) / 2)` and Adam's `m` and `v̂`, `p -= lr·m̂ / (√v̂ + eps)`, where
    /// `m̂ = μₜ₊₁·m / (1 - μ₁…μₜ₊₁) + (1 - μₜ)·g / (1 - μ₁…μₜ)`.
    NAdam {
        /// Learning rate.
        lr: NotNegative,
        /// Decay rates of the two moments.
        betas: Fractions,
        /// Added to the denominator.
        eps: NotNegative,
        /// Weight decay.
        weight_decay: NotNegative,
        /// How fast the momentum rises to `beta1`.
        momentum_decay: NotNegative,
        /// Whether weight decay shrinks the parameter itself instead of being added to the gradient.
        decoupled_weight_decay: Flag,
        /// Goes up the gradient instead of down.
        maximize: Flag,
    }
}

impl NAdam {
    fn momentum(&self, step: u64) -> f64 {
        self.betas[0] * (1.0 - 0.5 * libm::pow(0.96, step as f64 * self.momentum_decay))
    }
}

/// The settings with the factors of one step.
#[derive(Clone, Copy)]
pub struct Ready {
    h: NAdam,
    /// Factor of the gradient.
    of_g: f64,
    /// Factor of the first moment.
    of_m: f64,
    /// One over the root of the second moment's bias correction.
    root: f64,
}

impl Rule for NAdam {
    const STATES: &'static [&'static str] = &["exp_avg", "exp_avg_sq"];
    const GRAIN: usize = GRAIN_ROOT;
    const COUNTS: &'static [&'static str] = &["step", "mu_product"];
    type Ready = Ready;

    fn count(&self, before: Counts) -> Counts {
        let step = before.step + 1;
        Counts { step, mu_product: before.mu_product * self.momentum(step) }
    }

    fn ready(self, counts: Counts, _: bool) -> Ready {
        let (now, next) = (self.momentum(counts.step), self.momentum(counts.step + 1));
        let product = counts.mu_product;
        Ready {
            h: self,
            of_g: -self.lr * (1.0 - now) / (1.0 - product),
            of_m: -self.lr * next / (1.0 - product * next),
            root: 1.0 / (1.0 - libm::pow(self.betas[1], counts.step as f64)).sqrt(),
        }
    }

    #[inline(always)]
    fn pass<T: Real, S: Simd<T>>(ready: Ready, s: S, ps: &mut [T], gs: &[T], [ms, vs, _]: [&mut [T]; MAX_STATES]) {
        let h = ready.h;
        let (shrink, added) =
            if h.decoupled_weight_decay { (h.lr * h.weight_decay, 0.0) } else { (0.0, h.weight_decay) };
        let (keep, root, eps) = (constant(s, 1.0 - shrink), constant(s, ready.root), constant(s, h.eps));
        let (of_g, of_m) = (constant(s, ready.of_g), constant(s, ready.of_m));
        map_lanes!(s: S, [ps => p, ms => m, vs => v] <- [gs => g], {
            let g = descent(s, g, p, h.maximize, added);
            let (m, v) = (average(s, h.betas[0], m, g), average_square(s, h.betas[1], v, g));
            let along = s.mul_add(of_m, m, s.mul(of_g, g));
            (s.add(s.mul(p, keep), s.div(along, s.mul_add(s.sqrt(v), root, eps))), m, v)
        });
    }
}
