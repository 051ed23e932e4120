//! Products of any shapes and strides: those that fit follow the contract bit for bit and write nothing but C; those that do
//! not fit are refused before anything is written. Reads outside the operands are for `AddressSanitizer` to see.

#![no_main]

#[path = "../../rust/kernels/tests/contract/mod.rs"]
mod contract;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

use contract::{assert_same, reference};
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use rgrad_kernels::Float;
use rgrad_kernels::gemm::{Activation, Epilogue, MAX_ELEMENTS, Mat, Packed, gemm, gemm_batched, gemm_packed};
use rgrad_kernels::threads::set_num_threads;

/// Elements of an operand, and fused multiply-adds of all products: more would be slow to check.
const MAX_LEN: usize = 1 << 19;
const MAX_WORK: u128 = 1 << 21;

thread_local! {
    /// Whether a panic is the refusal that is looked for. The fuzzer's hook ends the process on any other.
    static REFUSING: Cell<bool> = const { Cell::new(false) };
}

fuzz_target!(
    init: {
        let report = take_hook();
        set_hook(Box::new(move |info| if !REFUSING.get() { report(info) }));
    },
    |data: &[u8]| {
        // Too little data is no case.
        if let Ok(case) = Case::from(&mut Unstructured::new(data)) {
            if case.double { case.run::<f64>() } else { case.run::<f32>() }
        }
    }
);

/// A matrix within `len` elements; in a batch, one at each of the offsets.
#[derive(Debug)]
struct Operand {
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
    len: usize,
    offsets: Vec<usize>,
}

/// One call: what it is given may fit together or not.
#[derive(Debug)]
struct Case {
    double: bool,
    threads: usize,
    seed: u64,
    a: Operand,
    b: Operand,
    c_len: usize,
    /// Elements around C in the same memory; without them it has memory of its own.
    margin: usize,
    bias_len: Option<usize>,
    activation: Option<Activation>,
    slope: Option<(Activation, usize)>,
    accumulate: bool,
    /// B is packed first, if there is only one.
    packed: bool,
}

impl Case {
    fn from(u: &mut Unstructured) -> Result<Self> {
        let (m, k, n) = (size(u)?, size(u)?, size(u)?);
        let k_of_b = if rarely(u)? { size(u)? } else { k };
        let batch = if u.int_in_range(0..=3)? == 3 { u.int_in_range(0..=6)? } else { 1 };
        let batch_of_b = if rarely(u)? { size(u)?.min(9) } else { batch };
        let c_len = nearly(u, m.saturating_mul(n).saturating_mul(batch))?.min(MAX_LEN);
        Ok(Self {
            double: u.arbitrary()?,
            threads: u.int_in_range(1..=4)?,
            seed: u.arbitrary()?,
            a: Operand::from(u, m, k, batch)?,
            b: Operand::from(u, k_of_b, n, batch_of_b)?,
            c_len,
            margin: u.int_in_range(0..=3)?,
            bias_len: if u.arbitrary()? { Some(nearly(u, n)?.min(MAX_LEN)) } else { None },
            activation: Activation::ALL.get(u.int_in_range(0..=4)?).copied(),
            slope: match u.int_in_range(0..=7)? {
                at @ 0..=2 => Some((Activation::ALL[at], nearly(u, c_len)?.min(MAX_LEN))),
                _ => None,
            },
            accumulate: u.arbitrary()?,
            packed: u.arbitrary()?,
        })
    }

    /// The documented conditions, in integers that hold every product of two sizes.
    fn fits(&self) -> bool {
        let (m, k, n) = (self.a.rows, self.a.cols, self.b.cols);
        let len = m.checked_mul(n).map(|size| size as u128 * self.a.offsets.len() as u128);
        self.b.rows == k
            && self.a.offsets.len() == self.b.offsets.len()
            && len == Some(self.c_len as u128)
            && self.bias_len.is_none_or(|len| len == n)
            && self.slope.is_none_or(|(_, len)| len == self.c_len)
            && self.a.fits()
            && self.b.fits()
    }

    fn run<T: Float>(&self) {
        let work = self.c_len as u128 * self.a.cols as u128;
        let fits = self.fits();
        if fits && work > MAX_WORK {
            return;
        }
        set_num_threads(self.threads);
        let mut values = Values(self.seed);
        let (a, b) = (values.some::<T>(self.a.len), values.some(self.b.len));
        let bias = self.bias_len.map(|len| values.some(len));
        let slope = self.slope.map(|(slope, len)| (slope, values.some(len)));
        // What C holds is read only if it is added to, and what lies around it never.
        let old = if self.accumulate { values.some(self.c_len) } else { vec![T::NAN; self.c_len] };
        let around = vec![T::from_f64(-77.0); self.margin];
        let mut memory = [&around[..], &old, &around].concat();
        let c = &mut memory[self.margin..][..self.c_len];
        let epilogue = Epilogue {
            bias: bias.as_deref(),
            activation: self.activation,
            slope: slope.as_ref().map(|(slope, values)| (*slope, &values[..])),
            accumulate: self.accumulate,
        };

        REFUSING.set(!fits);
        let (x, y) = (self.a.matrix(&a, 0), self.b.matrix(&b, 0));
        let done = catch_unwind(AssertUnwindSafe(|| match (&self.a.offsets[..], &self.b.offsets[..]) {
            ([0], [0]) if self.packed && self.b.fits() && y.rows.max(1).saturating_mul(y.cols) <= MAX_LEN => {
                let mut packed = Packed::new(y.rows, y.cols).unwrap();
                packed.fill(y);
                gemm_packed(c, x, &packed, epilogue);
            }
            ([0], [0]) => gemm(c, x, y, epilogue),
            (a_offsets, b_offsets) => gemm_batched(c, x, y, a_offsets, b_offsets, epilogue),
        }));
        REFUSING.set(false);
        assert_eq!(done.is_ok(), fits, "{self:?}");

        let mut want = old;
        if fits {
            let size = self.a.rows * self.b.cols;
            for (i, (&a_at, &b_at)) in self.a.offsets.iter().zip(&self.b.offsets).enumerate() {
                let slope = epilogue.slope.map(|(slope, values)| (slope, &values[i * size..][..size]));
                let epilogue = Epilogue { slope, ..epilogue };
                reference(&mut want[i * size..][..size], self.a.matrix(&a, a_at), self.b.matrix(&b, b_at), epilogue);
            }
        }
        assert_same(&memory, &[&around[..], &want, &around].concat(), &format!("{self:?}"));
    }
}

impl Operand {
    fn from(u: &mut Unstructured, rows: usize, cols: usize, batch: usize) -> Result<Self> {
        let (row_stride, col_stride) = if u.arbitrary()? { (cols, 1) } else { (1, rows) };
        let mut operand = Self {
            rows,
            cols,
            row_stride: stride(u, row_stride)?,
            col_stride: stride(u, col_stride)?,
            len: 0,
            offsets: (0..batch)
                .map(|_| if batch == 1 && !rarely(u)? { Ok(0) } else { offset(u) })
                .collect::<Result<_>>()?,
        };
        let first = operand.offsets.iter().max().copied().unwrap_or(0);
        let len = operand.last(first).map_or(0, |at| at.saturating_add(1)).min(MAX_LEN as u128);
        operand.len = nearly(u, len as usize)?.min(MAX_LEN);
        Ok(operand)
    }

    /// The place of the last element of the matrix at `offset`, if it has elements and not too many.
    fn last(&self, offset: usize) -> Option<u128> {
        let steps = |n: usize, stride: usize| Some(n.checked_sub(1)? as u128 * stride as u128);
        let (down, along) = (steps(self.rows, self.row_stride)?, steps(self.cols, self.col_stride)?);
        down.saturating_add(along).checked_add(offset as u128)
    }

    fn fits(&self) -> bool {
        let empty = self.rows == 0 || self.cols == 0;
        let small = self.rows.checked_mul(self.cols).is_some_and(|size| size <= MAX_ELEMENTS);
        empty || self.offsets.iter().all(|&at| small && self.last(at).is_some_and(|last| last < self.len as u128))
    }

    fn matrix<'a, T>(&self, data: &'a [T], offset: usize) -> Mat<'a, T> {
        let Self { rows, cols, row_stride, col_stride, .. } = *self;
        Mat { data: &data[offset.min(data.len())..], rows, cols, row_stride, col_stride }
    }
}

/// What is rare is drawn by large numbers: where the data end, there are only zeros.
fn rarely(u: &mut Unstructured) -> Result<bool> {
    Ok(u.int_in_range(0..=63)? == 63)
}

/// Sizes of which tiles, blocks and threads make something, and, rarely, sizes that overflow.
fn size(u: &mut Unstructured) -> Result<usize> {
    match u.int_in_range(0..=63)? {
        0..=39 => u.int_in_range(0..=40),
        40..=55 => u.int_in_range(0..=200),
        56..=62 => u.int_in_range(500..=1100),
        _ => u.arbitrary(),
    }
}

/// The ordinary stride, or none, or another small one, or one that leads from page to page, or out of bounds.
fn stride(u: &mut Unstructured, ordinary: usize) -> Result<usize> {
    match u.int_in_range(0..=31)? {
        0..=15 => Ok(ordinary),
        16..=18 => Ok(0),
        19..=21 => u.int_in_range(1..=7),
        22..=26 => Ok(ordinary.wrapping_add(u.int_in_range(1..=9)?)),
        27..=29 => u.int_in_range(1000..=1040),
        30 => Ok(ordinary.wrapping_mul(u.int_in_range(2..=3)?)),
        _ => {
            if rarely(u)? {
                u.arbitrary()
            } else {
                Ok(ordinary)
            }
        }
    }
}

fn offset(u: &mut Unstructured) -> Result<usize> {
    if rarely(u)? { u.arbitrary() } else { u.int_in_range(0..=300) }
}

/// A length; rarely one too many or too few.
fn nearly(u: &mut Unstructured, len: usize) -> Result<usize> {
    Ok(match u.int_in_range(0..=127)? {
        126 => len.saturating_sub(1),
        127 => len.saturating_add(1),
        _ => len,
    })
}

/// Pseudo-random numbers, here and there a special one.
struct Values(u64);

impl Values {
    fn some<T: Float>(&mut self, len: usize) -> Vec<T> {
        const SPECIAL: [f64; 6] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 1e-310, 1e-40];
        let every = if self.0.is_multiple_of(4) { 61 } else { 0 };
        let next = |at: usize| {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let bits = self.0 >> 33;
            let special = every > 0 && bits.is_multiple_of(every);
            T::from_f64(if special { SPECIAL[at % 6] } else { bits as f64 / f64::from(1_u32 << 30) - 1.0 })
        };
        (0..len).map(next).collect()
    }
}
