use super::{Counts, GRAIN_ROOT, MAX_STATES, Rule, average, average_square, constant, descent, flush, settings};
use crate::lanes::map_lanes;
use crate::simd::{Real, Simd};

settings! {
    /// `RMSprop` (Tieleman and Hinton, 2012): `v = alpha·v + (1 - alpha)·g²` and `p -= lr·g / (√v + eps)`.
    RmsProp {
        /// Learning rate.
        lr: NotNegative,
        /// Decay rate of the running averages.
        alpha: Fraction,
        /// Added to the denominator.
        eps: NotNegative,
        /// Weight decay, added to the gradient.
        weight_decay: NotNegative,
        /// Steps along `buf = momentum·buf + g / (√v + eps)` instead; 0 for none.
        momentum: NotNegative,
        /// Replaces `v` by the variance, `v` minus the squared mean of gradients (Graves, 2013).
        centered: Flag,
        /// Goes up the gradient instead of down.
        maximize: Flag,
    }
}

impl RmsProp {
    /// The gradient over its root mean square.
    #[inline(always)]
    fn scaled<T: Real, S: Simd<T>>(self, s: S, g: S::V, square: S::V) -> S::V {
        s.div(g, s.add(s.sqrt(square), constant(s, self.eps)))
    }

    /// The variance, at least 0: rounding may make the difference negative.
    #[inline(always)]
    fn variance<T: Real, S: Simd<T>>(s: S, square: S::V, mean: S::V) -> S::V {
        s.max(s.splat(T::ZERO), s.mul_add(s.neg(mean), mean, square))
    }

    #[inline(always)]
    fn moved<T: Real, S: Simd<T>>(self, s: S, buf: S::V, along: S::V) -> S::V {
        flush(s, s.mul_add(constant(s, self.momentum), buf, along))
    }
}

impl Rule for RmsProp {
    const STATES: &'static [&'static str] = &["square_avg", "grad_avg", "momentum_buffer"];
    const GRAIN: usize = GRAIN_ROOT;
    type Ready = Self;

    fn states(&self) -> &'static [&'static str] {
        match (self.centered, self.momentum != 0.0) {
            (false, false) => &["square_avg"],
            (false, true) => &["square_avg", "momentum_buffer"],
            (true, false) => &["square_avg", "grad_avg"],
            (true, true) => Self::STATES,
        }
    }

    fn ready(self, _: Counts, _: bool) -> Self {
        self
    }

    #[inline(always)]
    fn pass<T: Real, S: Simd<T>>(h: Self, s: S, ps: &mut [T], gs: &[T], [vs, xs, ys]: [&mut [T]; MAX_STATES]) {
        let lr = constant(s, -h.lr);
        match (h.centered, h.momentum != 0.0) {
            (false, false) => map_lanes!(s: S, [ps => p, vs => v] <- [gs => g], {
                let g = descent(s, g, p, h.maximize, h.weight_decay);
                let v = average_square(s, h.alpha, v, g);
                (s.mul_add(lr, h.scaled(s, g, v), p), v)
            }),
            (false, true) => map_lanes!(s: S, [ps => p, vs => v, xs => buf] <- [gs => g], {
                let g = descent(s, g, p, h.maximize, h.weight_decay);
                let v = average_square(s, h.alpha, v, g);
                let buf = h.moved(s, buf, h.scaled(s, g, v));
                (s.mul_add(lr, buf, p), v, buf)
            }),
            (true, false) => map_lanes!(s: S, [ps => p, vs => v, xs => mean] <- [gs => g], {
                let g = descent(s, g, p, h.maximize, h.weight_decay);
                let (v, mean) = (average_square(s, h.alpha, v, g), average(s, h.alpha, mean, g));
                (s.mul_add(lr, h.scaled(s, g, Self::variance(s, v, mean)), p), v, mean)
            }),
            (true, true) => map_lanes!(s: S, [ps => p, vs => v, xs => mean, ys => buf] <- [gs => g], {
                let g = descent(s, g, p, h.maximize, h.weight_decay);
                let (v, mean) = (average_square(s, h.alpha, v, g), average(s, h.alpha, mean, g));
                let buf = h.moved(s, buf, h.scaled(s, g, Self::variance(s, v, mean)));
                (s.mul_add(lr, buf, p), v, mean, buf)
            }),
        }
    }
}
