//! Kernels that copy elements, and scans along rows.

use rgrad_kernels::copy::{CastTo, cast, cast_to_bool, copy, copy_into};
use rgrad_kernels::flip::flip;
use rgrad_kernels::gather::{gather_rows, numbers_along, scatter_add_rows};
use rgrad_kernels::scan::{cumulate, linear};
use rgrad_kernels::sort::{Sortable, order_rows};
use rgrad_kernels::{Float, Integer, View};

use crate::Row;
use crate::data::{Bits, Hash, integers, odd, plain};

pub const ROWS: &[Row] = &[
    ("copy::copy", |hash| of_every_type(hash, &Copies)),
    ("copy::copy_into", |hash| of_every_type(hash, &CopiesInto)),
    ("copy::cast", |hash| {
        casts::<f32, f64>(hash, &odd(N, 1, 7));
        casts::<f64, f32>(hash, &odd(N, 1, 7));
        casts::<f32, i64>(hash, &odd(N, 1, 701));
        casts::<f32, i32>(hash, &odd(N, 1, 701));
        casts::<f64, u8>(hash, &odd(N, 1, 7));
        casts::<f64, i64>(hash, &odd(N, 1, 7));
        casts::<i64, f32>(hash, &integers(N, 1));
        casts::<i64, i32>(hash, &integers(N, 1));
        casts::<u8, f32>(hash, &integers(N, 1));
        casts::<i32, f64>(hash, &integers(N, 1));
    }),
    ("copy::cast_to_bool", |hash| of_every_type(hash, &CastsToBool)),
    ("flip::flip", |hash| of_every_type(hash, &Flips)),
    ("gather::gather_rows", |hash| of_every_type(hash, &Gathers)),
    ("gather::numbers_along", |hash| {
        for (shape, of, dim) in
            [(&[290_000][..], &[500][..], 0), (&[700, 400], &[700, 90], 1), (&[90, 70, 40], &[90, 70, 41], 1)]
        {
            let idx = positions(shape.iter().product(), of[dim]);
            let mut out = vec![-1; idx.len()];
            numbers_along(&mut out, &idx, shape, of, dim).unwrap();
            hash.add(&out);
        }
    }),
    ("gather::scatter_add_rows", |hash| {
        scatter_adds::<f32>(hash);
        scatter_adds::<f64>(hash);
    }),
    ("scan::linear", |hash| {
        linears::<f32>(hash);
        linears::<f64>(hash);
    }),
    ("scan::cumulate", |hash| {
        cumulates::<i64>(hash);
        cumulates::<i32>(hash);
        cumulates::<u8>(hash);
    }),
    ("sort::order_rows", |hash| of_every_type(hash, &Orders)),
];

/// More than eight tasks of the cheapest, and not a multiple of any block size.
const N: usize = 300_001;

/// An operation on elements of any type.
trait Generic {
    fn run<T: Bits + Sortable>(&self, hash: &mut Hash, x: &[T]);
}

fn of_every_type(hash: &mut Hash, of: &impl Generic) {
    of.run(hash, &odd::<f32>(N, 1, 7));
    of.run(hash, &odd::<f64>(N, 1, 7));
    of.run(hash, &integers::<i64>(N, 1));
    of.run(hash, &integers::<i32>(N, 1));
    of.run(hash, &integers::<u8>(N, 1));
}

/// Shapes with their strides in the source: transposed, permuted, every second element, repeated.
const LAYOUTS: [(&[usize], &[usize]); 8] = [
    (&[N], &[1]),
    (&[547, 548], &[1, 547]),
    (&[3, 99_999], &[1, 3]),
    (&[33, 91, 99], &[1, 3267, 33]),
    (&[50_000], &[6]),
    (&[300, 500], &[0, 1]),
    (&[999, 300], &[1, 0]),
    (&[7, 0], &[1, 1]),
];

struct Copies;
impl Generic for Copies {
    fn run<T: Bits + Sortable>(&self, hash: &mut Hash, x: &[T]) {
        for (shape, strides) in LAYOUTS {
            let mut out = vec![T::from_number(99.0); shape.iter().product()];
            copy(&mut out, shape, View::new(x, strides));
            hash.add_exact(&out);
        }
    }
}

struct CopiesInto;
impl Generic for CopiesInto {
    fn run<T: Bits + Sortable>(&self, hash: &mut Hash, x: &[T]) {
        for (shape, strides) in LAYOUTS {
            // Every third element, dimensions in reverse order.
            let places: Vec<usize> = (0..shape.len()).map(|d| 3 * shape[..d].iter().product::<usize>()).collect();
            let mut out = vec![T::from_number(99.0); 3 * N];
            copy_into(&mut out, &places, shape, View::new(x, strides));
            hash.add_exact(&out);
        }
    }
}

fn casts<S: CastTo<D>, D: Bits>(hash: &mut Hash, x: &[S]) {
    let mut out = vec![D::from_number(99.0); x.len()];
    cast(&mut out, x);
    hash.add(&out);
}

struct CastsToBool;
impl Generic for CastsToBool {
    fn run<T: Bits + Sortable>(&self, hash: &mut Hash, x: &[T]) {
        let mut out = vec![9; x.len()];
        cast_to_bool(&mut out, x);
        hash.add(&out);
    }
}

struct Flips;
impl Generic for Flips {
    fn run<T: Bits + Sortable>(&self, hash: &mut Hash, x: &[T]) {
        let shape = [33, 91, 99];
        let x = &x[..33 * 91 * 99];
        for dims in [&[] as &[usize], &[0], &[1], &[2], &[0, 2], &[0, 1, 2]] {
            let mut out = vec![T::from_number(99.0); x.len()];
            flip(&mut out, x, &shape, dims);
            hash.add_exact(&out);
        }
    }
}

/// Positions in `0..rows`, some of them negative and many repeated.
fn positions(n: usize, rows: usize) -> Vec<i64> {
    let all = (0..n).map(|i| (i * i + 7 * i) % rows);
    all.map(|i| if i % 3 == 0 { i as i64 - rows as i64 } else { i as i64 }).collect()
}

/// Matrices, their rows and columns, and how many rows are gathered from each.
const PICKS: [(usize, usize, usize, usize); 5] =
    [(1, 1000, 300, 900), (1, 300_000, 1, 290_000), (3, 1000, 100, 700), (50, 100, 60, 90), (1, 5, 17, 17_000)];

struct Gathers;
impl Generic for Gathers {
    fn run<T: Bits + Sortable>(&self, hash: &mut Hash, x: &[T]) {
        for (matrices, rows, width, picked) in PICKS {
            let idx = positions(picked, rows);
            let mut out = vec![T::from_number(99.0); matrices * picked * width];
            gather_rows(&mut out, &x[..matrices * rows * width], width, &idx).unwrap();
            hash.add_exact(&out);
        }
    }
}

fn scatter_adds<T: Float + Bits>(hash: &mut Hash) {
    for (matrices, rows, width, picked) in PICKS {
        let x = odd::<T>(matrices * picked * width, 1, 997);
        let mut out = plain::<T>(matrices * rows * width, 2);
        scatter_add_rows(&mut out, &x, width, &positions(picked, rows)).unwrap();
        hash.add(&out);
    }
}

fn linears<T: Float + Bits>(hash: &mut Hash) {
    let (a, b) = (odd::<T>(300_000, 1, 9973), odd::<T>(300_000, 2, 9871));
    for (len, reverse) in [(100, false), (100, true), (1, false), (3000, true), (300_000, false)] {
        for a in [None, Some(&a[..])] {
            let mut out = vec![T::NAN; b.len()];
            linear(&mut out, a, &b, len, reverse, len == 100);
            hash.add(&out);
        }
    }
}

fn cumulates<T: Integer + Bits>(hash: &mut Hash) {
    let x = integers::<T>(300_000, 1);
    for (len, product) in [(100, false), (100, true), (3000, false)] {
        let mut out = vec![T::default(); x.len()];
        cumulate(&mut out, &x, len, product);
        hash.add(&out);
    }
}

struct Orders;
impl Generic for Orders {
    fn run<T: Bits + Sortable>(&self, hash: &mut Hash, x: &[T]) {
        for (rows, len, count) in [(1, 40_000, 40_000), (1, 40_000, 3), (400, 100, 100), (400, 100, 7), (9000, 5, 5)] {
            for descending in [false, true] {
                let mut out = vec![-1; rows * count];
                order_rows(&mut out, &x[..rows * len], rows, descending).unwrap();
                hash.add(&out);
            }
        }
    }
}
