use super::{Counts, MAX_STATES, Rule, constant, descent};
use crate::lanes::map_lanes;
use crate::simd::{Real, Simd};
use crate::split::GRAIN_CHEAP;

/// Stochastic gradient descent: `buf = momentum·buf + (1 - dampening)·g`, where `buf = g` at first, and `p -= lr·buf`.
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

impl Rule for Sgd {
    const NAME: &'static str = "SGD";
    const STATES: &'static [&'static str] = &["momentum_buffer"];
    const GRAIN: usize = GRAIN_CHEAP;
    const COUNTS: &'static [&'static str] = &[];
    type Ready = (Self, bool);

    fn states(&self) -> &'static [&'static str] {
        if self.momentum == 0.0 { &[] } else { Self::STATES }
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
