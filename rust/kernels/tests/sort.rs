//! Sorting of rows, against a stable sort.

use rgrad_kernels::sort::order_rows;

/// Few distinct values, so that many are equal, including both zeros, infinities and NaN.
fn values(n: usize) -> Vec<f32> {
    let all = [0.0, -0.0, 1.5, -2.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, -f32::NAN];
    (0..n).map(|i| all[(i * i * 7 + i * 13) % 31 % all.len()]).collect()
}

/// NaN is larger than every number and equal to itself.
fn compare(a: f32, b: f32) -> std::cmp::Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

#[test]
fn places_are_those_of_a_stable_sort() {
    // Few rows are long enough for radix sort, fewest in Miri.
    let many = if cfg!(miri) { [(1, 20), (1, 2048)] } else { [(40, 300), (2, 5000)] };
    for (rows, len) in [(1, 1), (3, 2), (5, 17), (2, 100)].into_iter().chain(many) {
        let x = values(rows * len);
        for descending in [false, true] {
            let mut want = Vec::new();
            for row in x.chunks(len) {
                let mut order: Vec<i64> = (0..len as i64).collect();
                order.sort_by(|&i, &j| {
                    let (a, b) = (row[i as usize], row[j as usize]);
                    if descending { compare(b, a) } else { compare(a, b) }
                });
                want.push(order);
            }
            for count in [1, len / 2, len] {
                let mut got = vec![-1; rows * count];
                order_rows(&mut got, &x, rows, descending).unwrap();
                let wide: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
                let mut same = vec![-1; rows * count];
                order_rows(&mut same, &wide, rows, descending).unwrap();
                let want: Vec<i64> = want.iter().flat_map(|row| row[..count].iter().copied()).collect();
                assert_eq!(got, want, "{rows} rows of {len}, {count} of each");
                assert_eq!(same, want, "{rows} rows of {len} in f64, {count} of each");
            }
        }
    }
}

#[test]
fn integers_at_the_ends_of_their_range() {
    let x = [0, i64::MAX, i64::MIN, -1, 1];
    let mut places = [0; 5];
    order_rows(&mut places, &x, 1, false).unwrap();
    assert_eq!(places, [2, 3, 0, 4, 1]);
    order_rows(&mut places, &x, 1, true).unwrap();
    assert_eq!(places, [1, 4, 0, 3, 2]);
    let bytes = [7_u8, 255, 0];
    order_rows(&mut places[..3], &bytes, 1, true).unwrap();
    assert_eq!(places[..3], [1, 0, 2]);
}
