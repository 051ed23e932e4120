//! Arithmetic, comparisons and bits: against plain arrays, and against their documented meaning.

use rgrad_kernels::simd::{Kernel, Scalar, Simd, isa};

use crate::numbers::{Bits, Random};

on_both_types! {
    every_method_gives_the_bits_of_plain_arrays
    scaling_rounds_once
    methods_do_what_they_say
}

/// Operands: every pair of special values, random bits, and ordinary numbers with a third operand that all but cancels
/// the product of the first two, so that the rounding of a fused multiply-add shows.
fn operands<T: Bits>() -> [Vec<T>; 3] {
    let mut random = Random(7);
    let mut rows = Vec::new();
    for (i, &a) in T::SPECIAL.iter().enumerate() {
        for (j, &b) in T::SPECIAL.iter().enumerate() {
            rows.push([a, b, T::SPECIAL[(i + 5 * j) % T::SPECIAL.len()]]);
        }
    }
    for _ in 0..if cfg!(miri) { 16 } else { 4096 } {
        rows.push(std::array::from_fn(|_| T::from_bits(random.bits())));
        let (a, b) = (random.number::<T>(), random.number::<T>());
        rows.push([a, b, -(a * b)]);
        rows.push([a, b, random.number()]);
    }
    assert_eq!(rows.len() % T::LANES, 0);
    std::array::from_fn(|k| rows.iter().map(|row| row[k]).collect())
}

/// Whether a method computes or moves values. IEEE 754 does not specify which NaN arithmetic returns; moves keep all
/// bits.
#[derive(Clone, Copy, PartialEq)]
enum Makes {
    Computed,
    Moved,
}
use Makes::{Computed, Moved};

/// Applies every method to one logical vector of operands.
struct Methods<'a, T>([&'a [T]; 3]);

impl<T: Bits> Kernel<T> for Methods<'_, T> {
    type Out = Vec<(String, Makes, T::Lanes)>;

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> Self::Out {
        assert!(self.0.iter().all(|x| x.len() == S::LANES));
        // SAFETY: the lengths are those of a vector.
        let [a, b, c] = self.0.map(|x| unsafe { s.load(x.as_ptr()) });
        let (one, zero) = (s.splat(T::ONE), s.splat(T::ZERO));
        let mut results = vec![
            ("load", Moved, a),
            ("splat", Moved, s.splat(self.0[0][3])),
            ("add", Computed, s.add(a, b)),
            ("sub", Computed, s.sub(a, b)),
            ("mul", Computed, s.mul(a, b)),
            ("div", Computed, s.div(a, b)),
            ("mul_add", Computed, s.mul_add(a, b, c)),
            ("sqrt", Computed, s.sqrt(a)),
            ("max", Moved, s.max(a, b)),
            ("min", Moved, s.min(a, b)),
            ("round", Computed, s.round(a)),
            ("floor", Computed, s.floor(a)),
            ("lt", Moved, s.select(s.lt(a, b), one, zero)),
            ("le", Moved, s.select(s.le(a, b), one, zero)),
            ("eq", Moved, s.select(s.eq(a, b), one, zero)),
            ("select", Moved, s.select(s.lt(a, c), b, c)),
            ("and", Moved, s.and(a, b)),
            ("or", Moved, s.or(a, b)),
            ("xor", Moved, s.xor(a, b)),
            ("int_add", Moved, s.int_add(a, b)),
            ("int_sub", Moved, s.int_sub(a, b)),
            ("abs", Moved, s.abs(a)),
            ("neg", Moved, s.neg(a)),
            ("reduce_add", Computed, s.splat(s.reduce_add(a))),
            ("reduce_max", Moved, s.splat(s.reduce_max(a))),
        ]
        .into_iter()
        .map(|(name, makes, v)| (name.to_owned(), makes, s.to_array(v)))
        .collect::<Vec<_>>();
        for n in 0..T::WIDTH {
            results.push((format!("shl {n}"), Moved, s.to_array(s.shl(a, n))));
            results.push((format!("shr {n}"), Moved, s.to_array(s.shr(a, n))));
        }
        results
    }
}

fn every_method_gives_the_bits_of_plain_arrays<T: Bits>()
where
    Scalar: Simd<T>,
{
    let [a, b, c] = operands::<T>();
    for start in (0..a.len()).step_by(T::LANES) {
        let at = [&a, &b, &c].map(|x| &x[start..start + T::LANES]);
        let found = T::run(Methods(at));
        let expected = Methods(at).run(Scalar);
        assert_eq!(found.len(), expected.len());
        for ((name, makes, found), (_, _, expected)) in found.iter().zip(&expected) {
            for (i, (&x, &y)) in found.as_ref().iter().zip(expected.as_ref()).enumerate() {
                let same = x.bits() == y.bits() || (*makes == Computed && x.is_nan() && y.is_nan());
                let of = at.map(|v| v[i]);
                assert!(same, "{name} of {of:?} on {:?}: {x:?} ({:#x}), not {y:?} ({:#x})", isa(), x.bits(), y.bits());
            }
        }
    }
}

/// Scales numbers near one by powers of two, from overflow through the subnormals to zero.
struct Scale<T>(T, f64);

impl<T: Bits> Kernel<T> for Scale<T> {
    type Out = T::Lanes;

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> T::Lanes {
        s.to_array(s.scale(s.splat(self.0), s.splat(T::from_f64(self.1))))
    }
}

fn scaling_rounds_once<T: Bits>()
where
    Scalar: Simd<T>,
{
    let limit = if T::WIDTH == 32 { 252 } else { 2044 };
    let mut random = Random(17);
    for n in (-limit..=limit).map(f64::from) {
        let significand = T::from_f64(1.0 + random.number::<f64>().abs() / 8.0);
        for a in [T::ONE, -significand, significand * T::from_f64(0.5), T::NEG_ZERO, T::INFINITY] {
            let (found, expected) = (T::run(Scale(a, n)), Scale(a, n).run(Scalar));
            for (x, y) in found.as_ref().iter().zip(expected.as_ref()) {
                assert_eq!(x.bits(), y.bits(), "{a:?} × 2^{n} on {:?}: {x:?}, not {y:?}", isa());
            }
            if T::WIDTH == 32 {
                // Exact in `f64`, whose exponent range suffices, so that only the conversion rounds.
                let exact = T::from_f64(a.to_f64() * n.exp2());
                assert_eq!(found.as_ref()[0].bits(), exact.bits(), "{a:?} × 2^{n}");
            }
        }
    }
}

/// The methods by their documented meaning, so that plain arrays are tested, too.
#[derive(Clone, Copy, Debug)]
enum Word {
    Max,
    Min,
    Round,
    Floor,
    ErrorOfProduct,
}

/// Applies a method to two numbers.
struct Apply<T>(Word, T, T);

impl<T: Bits> Kernel<T> for Apply<T> {
    type Out = T;

    #[inline(always)]
    fn run<S: Simd<T>>(self, s: S) -> T {
        let (a, b) = (s.splat(self.1), s.splat(self.2));
        let v = match self.0 {
            Word::Max => s.max(a, b),
            Word::Min => s.min(a, b),
            Word::Round => s.round(a),
            Word::Floor => s.floor(a),
            Word::ErrorOfProduct => s.mul_add(a, b, s.neg(s.mul(a, b))),
        };
        s.to_array(v).as_ref()[S::LANES - 1]
    }
}

fn methods_do_what_they_say<T: Bits>() {
    use Word::{ErrorOfProduct, Floor, Max, Min, Round};
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let cases = [
        (Max, nan, 1.0, 1.0),
        (Max, 1.0, nan, nan),
        (Max, -0.0, 0.0, 0.0),
        (Max, 0.0, -0.0, -0.0),
        (Max, -inf, -3.0, -3.0),
        (Min, nan, 1.0, 1.0),
        (Min, 1.0, nan, nan),
        (Min, -0.0, 0.0, 0.0),
        (Min, 0.0, -0.0, -0.0),
        (Min, inf, 3.0, 3.0),
        (Round, 0.5, 0.0, 0.0),
        (Round, 1.5, 0.0, 2.0),
        (Round, 2.5, 0.0, 2.0),
        (Round, -0.5, 0.0, -0.0),
        (Round, -1.5, 0.0, -2.0),
        (Floor, -0.25, 0.0, -1.0),
        (Floor, 2.75, 0.0, 2.0),
        (Floor, -0.0, 0.0, -0.0),
        (Floor, -inf, 0.0, -inf),
    ];
    for (method, a, b, expected) in cases {
        let found = T::run(Apply(method, T::from_f64(a), T::from_f64(b))).to_f64();
        let same = found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
        assert!(same, "{method:?} of {a} and {b} on {:?}: {found}, not {expected}", isa());
    }
    // (1 + ε)² = 1 + 2ε + ε², whose last term is lost if the product is rounded before the addition.
    let epsilon = 2_f64.powi(if T::WIDTH == 32 { -23 } else { -52 });
    let x = T::from_f64(1.0 + epsilon);
    assert_eq!(T::run(Apply(ErrorOfProduct, x, x)).to_f64(), epsilon * epsilon);
}
