//! Copies and conversions over every kind of layout.

mod strided;

use rgrad_kernels::View;
use rgrad_kernels::copy::{Copies, cast, cast_to_bool, copy, copy_into};
use strided::{bits, f32s, for_pairs, indices, numbers, place, reach};

#[test]
fn copies_read_and_write_every_layout() {
    for_pairs(|shape, from, to| {
        let x = f32s(reach(shape, from), 4);
        let want: Vec<f32> = indices(shape).iter().map(|i| x[place(i, from)]).collect();
        let mut got = vec![f32::NAN; want.len()];
        copy(&mut got, shape, View::new(&x, from));
        assert_eq!(got, want, "{shape:?} {from:?}");

        if shape.iter().zip(to).any(|(&n, &s)| n > 1 && s == 0) {
            return; // elements overlap
        }
        let mut out = vec![f32::NAN; reach(shape, to)];
        copy_into(&mut out, to, shape, View::new(&x, from));
        let mut expected = vec![f32::NAN; out.len()];
        for (i, &x) in indices(shape).iter().zip(&want) {
            expected[place(i, to)] = x;
        }
        let same = out.iter().zip(&expected).all(|(a, b)| bits(*a) == bits(*b));
        assert!(same, "{shape:?} {from:?} {to:?}: untouched places stay as they were");
    });
}

#[test]
#[should_panic(expected = "overlap")]
fn a_copy_into_overlapping_places_is_refused() {
    copy_into(&mut [0.0_f32; 4], &[1, 1], &[3, 2], View::new(&[1.0; 6], &[2, 1]));
}

#[test]
fn conversions_are_those_of_as() {
    let x = [0.0, -0.0, 1.9, -1.9, 300.5, 1e30, -1e30, f64::NAN, f64::INFINITY];
    let mut ints = [7_i32; 9];
    cast(&mut ints, &x);
    assert_eq!(ints, x.map(|x| x as i32));
    let mut bytes = [7_u8; 9];
    cast(&mut bytes, &x);
    assert_eq!(bytes, x.map(|x| x as u8));
    cast(&mut bytes, &[256_i64, -1, 5, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[..3], [0, 255, 5]);
    cast_to_bool(&mut bytes, &x);
    assert_eq!(bytes, [0, 0, 1, 1, 1, 1, 1, 1, 1]);
}

#[test]
fn conversions_of_many_numbers_with_one_out_of_range() {
    let mut x: Vec<f32> = numbers(300, 6).iter().map(|&x| (x * 1e6) as f32).collect();
    for odd in [f32::NAN, f32::INFINITY, -3e9, 2_147_483_648.0, 9_223_372_036_854_775_808.0] {
        x[200] = odd;
        let (mut small, mut large) = (vec![7_i32; 300], vec![7_i64; 300]);
        cast(&mut small, &x);
        cast(&mut large, &x);
        assert!(small.iter().zip(&x).all(|(&got, &x)| got == x as i32));
        assert!(large.iter().zip(&x).all(|(&got, &x)| got == x as i64));
    }
}

#[test]
fn elements_of_every_width_are_transposed() {
    fn check<T: Copies>(from_index: impl Fn(usize) -> T) {
        for (rows, cols) in [(1, 1), (16, 16), (8, 8), (17, 33), (40, 100), (100, 784), (3, 200)] {
            if cfg!(miri) && rows * cols > 1000 {
                continue;
            }
            let x: Vec<T> = (0..rows * cols).map(&from_index).collect();
            let mut out = vec![T::default(); rows * cols];
            copy(&mut out, &[cols, rows], View::new(&x, &[1, cols]));
            for (i, got) in out.iter().enumerate() {
                assert_eq!(*got, x[i % rows * cols + i / rows], "{rows} x {cols}, element {i}");
            }
        }
    }
    check(|i| i as f32);
    check(|i| i as f64);
    // Bit patterns that are NaN as floating-point numbers.
    check(|i| i as i32 | 0x7F80_0001);
    check(|i| i as i64 | 0x7FF0_0000_0000_0001);
    check(|i| (i % 251) as u8);
}
