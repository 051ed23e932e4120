//! Shapes and layouts for the tests of strided kernels.
#![allow(dead_code)] // no test file uses all of it

/// All indices of a shape, in row-major order.
pub fn indices(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &n in shape {
        all = all.into_iter().flat_map(|i| (0..n).map(move |j| [i.clone(), vec![j]].concat())).collect();
    }
    all
}

/// The offset of an element.
pub fn place(index: &[usize], strides: &[usize]) -> usize {
    index.iter().zip(strides).map(|(i, s)| i * s).sum()
}

/// Row-major strides.
pub fn row_major(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|d| shape[d + 1..].iter().product()).collect()
}

/// Several layouts of a shape: row-major, reversed (transposed), every second element, and each dimension broadcast. In
/// Miri, one for each way of reading.
pub fn layouts(shape: &[usize]) -> Vec<Vec<usize>> {
    let plain = row_major(shape);
    let reversed: Vec<usize> = (0..shape.len()).map(|d| shape[..d].iter().product()).collect();
    let mut all = vec![plain.clone(), reversed];
    if !cfg!(miri) {
        all.extend([plain.iter().map(|s| 2 * s).collect(), vec![0; shape.len()]]);
    }
    for broadcast in 0..if cfg!(miri) { shape.len().min(1) } else { shape.len() } {
        let kept: Vec<usize> = shape.iter().enumerate().map(|(d, &n)| if d == broadcast { 1 } else { n }).collect();
        let mut strides = row_major(&kept);
        strides[broadcast] = 0;
        all.push(strides);
    }
    all
}

/// The number of elements that a layout needs.
pub fn reach(shape: &[usize], strides: &[usize]) -> usize {
    if shape.contains(&0) { 0 } else { 1 + shape.iter().zip(strides).map(|(n, s)| (n - 1) * s).sum::<usize>() }
}

/// Shapes of every kind: empty, single, around a vector, around a tile, small and large rows, many dimensions.
pub fn shapes() -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = vec![vec![], vec![0], vec![3, 0, 2], vec![1, 1]];
    if cfg!(miri) {
        all.extend([vec![2, 17], vec![2, 3, 2]]);
        return all;
    }
    all.extend([1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 511, 512, 513, 1025].map(|n| vec![n]));
    all.extend([[100, 10], [7, 784], [3, 513], [600, 3], [33, 17], [1, 40], [40, 1]].map(Vec::from));
    all.extend([vec![3, 4, 5], vec![2, 300, 7], vec![5, 1, 64, 2], vec![2; 10]]);
    all
}

/// Numbers of both signs between -4 and 4, none with a short binary expansion.
pub fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as f64 / 2.0_f64.powi(50) - 4.0
        })
        .collect()
}

/// Calls `check(shape, strides of a, strides of b)` for all shapes and all pairs of layouts.
pub fn for_pairs(check: impl Fn(&[usize], &[usize], &[usize])) {
    for shape in shapes() {
        for a in layouts(&shape) {
            for b in layouts(&shape) {
                check(&shape, &a, &b);
            }
        }
    }
}

pub fn f32s(n: usize, seed: u64) -> Vec<f32> {
    numbers(n, seed).iter().map(|&x| x as f32).collect()
}

/// Bits, with all NaN equal.
pub fn bits(x: f32) -> u32 {
    if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }
}
