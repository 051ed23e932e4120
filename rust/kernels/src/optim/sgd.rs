use super::{Counts, MAX_STATES, Rule, constant, descent, settings};
use crate::lanes::map_lanes;
use crate::simd::{Real, Simd};
use crate::split::GRAIN_CHEAP;

settings! {
    /// Stochastic gradient descent: `buf = momentum·buf + (1 - dampening)·g`, where `buf = g` at first, and `p -= lr·buf`.
    Sgd {
        /// Learning rate.
        lr: NotNegative,
        /// Momentum; 0 for none.
        momentum: NotNegative,
        /// Dampening of momentum.
        dampening: NotNegative,
        /// Weight decay, added to the gradient.
        weight_decay: NotNegative,
        /// Steps along `g + momentum·buf` instead of `buf`.
        nesterov: Flag,
        /// Goes up the gradient instead of down.
        maximize: Flag,
    }
}

impl Rule for Sgd {
    const STATES: &'static [&'static str] = &["momentum_buffer"];
    const GRAIN: usize = GRAIN_CHEAP;
    const COUNTS: &'static [&'static str] = &[];
    type Ready = (Self, bool);

    fn states(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { Self::STATES }
    }

    fn conflict(&self) -> Option<&'static str> {
        let fits = !self.nesterov || (self.momentum > 0.0 && self.dampening == 0.0);
        (!fits).then_some("nesterov needs a momentum above 0 and a dampening of 0")
    }

    fn ready(self, _: Counts, fresh: bool) -> (Self, bool) {
        (self, fresh)
    }

    #[inline(always)]
    fn pass<T: Real, S: Simd<T>>(
        (h, fresh): (Self, bool),
        s: S,
        ps: &mut [T],
        gs: &[T],
        [bufs, ..]: [&mut [T]; MAX_STATES],
    ) {
        let (step, momentum, share) = (constant(s, -h.lr), constant(s, h.momentum), constant(s, 1.0 - h.dampening));
        if h.momentum == 0.0 {
            map_lanes!(s: S, [ps => p] <- [gs => g], {
                (s.mul_add(step, descent(s, g, p, h.maximize, h.weight_decay), p),)
            });
        } else {
            map_lanes!(s: S, [ps => p, bufs => buf] <- [gs => g], {
                let g = descent(s, g, p, h.maximize, h.weight_decay);
                let buf = if fresh { g } else { s.mul_add(momentum, buf, s.mul(share, g)) };
                let along = if h.nesterov { s.mul_add(momentum, buf, g) } else { buf };
                (s.mul_add(step, along, p), buf)
            });
        }
    }
}
