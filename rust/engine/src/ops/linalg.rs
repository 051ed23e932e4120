//! Products of vectors, matrices and stacks of matrices under PyTorch's names: strict forms of `matmul`, and contractions.

use rgrad_macros::op;

use super::cast;
use super::elementwise::{add, mul};
use super::matmul::matmul;
use super::reduce::{scale, sum};
use super::views::{expand_to, permute, reshape_to};
use crate::error::{Result, fail};
use crate::shape::{Dims, Show, broadcast, normalize_dim};
use crate::tensor::{Tensor, result_dtype};

/// Refuses operands unless they have these numbers of dimensions.
fn ranks(op: &str, a: (&Tensor, usize), b: (&Tensor, usize), form: &str, instead: &str) -> Result<()> {
    if a.0.ndim() != a.1 || b.0.ndim() != b.1 {
        fail!(Value, "{op}: expected {form}, got {} and {}; {instead}", Show(a.0.shape()), Show(b.0.shape()));
    }
    Ok(())
}

/// Refuses operands whose sizes to be summed over differ.
fn same(op: &str, a: &Tensor, b: &Tensor, (m, n): (usize, usize)) -> Result<()> {
    if m != n {
        fail!(Value, "{op}: the inner sizes of {} and {} differ: {m} and {n}", Show(a.shape()), Show(b.shape()));
    }
    Ok(())
}

/// As [`mm`], under another operation's name.
fn matrices(op: &str, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    ranks(op, (a, 2), (b, 2), "matrices (m, k) and (k, n)", "for stacks and vectors write matmul, or bmm")?;
    same(op, a, b, (a.shape()[1], b.shape()[0]))?;
    matmul(a, b)
}

fn matrix_vector(op: &str, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    ranks(op, (a, 2), (b, 1), "a matrix (m, k) and a vector (k,)", "for other shapes write matmul")?;
    same(op, a, b, (a.shape()[1], b.shape()[0]))?;
    matmul(a, b)
}

fn stacks(op: &str, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    ranks(op, (a, 3), (b, 3), "stacks (b, m, k) and (b, k, n)", "for other shapes write matmul")?;
    if a.shape()[0] != b.shape()[0] {
        let (a, b) = (a.shape(), b.shape());
        fail!(
            Value,
            "{op}: {} and {} are stacks of {} and {} matrices; matmul broadcasts",
            Show(a),
            Show(b),
            a[0],
            b[0]
        );
    }
    same(op, a, b, (a.shape()[2], b.shape()[1]))?;
    matmul(a, b)
}

/// Product of two matrices: (m, k) with (k, n) gives (m, n). Nothing broadcasts; see `matmul`.
#[op(method)]
pub fn mm(x: &Tensor, mat2: &Tensor) -> Result<Tensor> {
    matrices("mm", x, mat2)
}

/// Product of a matrix and a vector: (m, k) with (k,) gives (m,).
#[op(method)]
pub fn mv(x: &Tensor, vec: &Tensor) -> Result<Tensor> {
    matrix_vector("mv", x, vec)
}

/// Products of two stacks of matrices: (b, m, k) with (b, k, n) gives (b, m, n). Nothing broadcasts; see `matmul`.
#[op(method)]
pub fn bmm(x: &Tensor, mat2: &Tensor) -> Result<Tensor> {
    stacks("bmm", x, mat2)
}

/// Scalar product of two vectors of one size.
#[op(method)]
pub fn dot(x: &Tensor, tensor: &Tensor) -> Result<Tensor> {
    ranks("dot", (x, 1), (tensor, 1), "two vectors", "for other shapes write matmul, or (a * b).sum()")?;
    same("dot", x, tensor, (x.numel(), tensor.numel()))?;
    let products = mul(x, tensor)?;
    // Integers stay what they are, as those that are multiplied do.
    cast(&sum(&products, None, false)?, products.dtype())
}

/// Sum of products over the last dimension of both: (…, k) with (***, k) gives (…, ***); a number multiplies.
#[op(method)]
pub fn inner(x: &Tensor, other: &Tensor) -> Result<Tensor> {
    let (m, n) = (x.ndim(), other.ndim());
    if m == 0 || n == 0 {
        return mul(x, other);
    }
    same("inner", x, other, (x.shape()[m - 1], other.shape()[n - 1]))?;
    contract(x, other, &[m - 1], &[n - 1])
}

/// All products of the elements of two vectors: (m,) with (n,) gives (m, n).
#[op(method)]
pub fn outer(x: &Tensor, vec2: &Tensor) -> Result<Tensor> {
    ranks("outer", (x, 1), (vec2, 1), "two vectors", "for other shapes write x.flatten(), or tensordot(a, b, 0)")?;
    mul(&reshape_to(x, &[x.numel(), 1])?, vec2)
}

/// Which dimensions a contraction sums over.
#[derive(Clone, Debug)]
pub enum Pairing {
    /// As many of the last of one operand as of the first of the other.
    Last(isize),
    /// Those of the one, paired with those of the other.
    Lists(Vec<isize>, Vec<isize>),
}

/// Sum of products over pairs of dimensions: over the last `dims` of `x` and the first of `other`, or over the dims of
/// `x` in `dims[0]` and those of `other` in `dims[1]`. `ValueError` unless paired sizes are equal, `IndexError` for
/// dims out of range.
#[op(function, dims = 2)]
pub fn tensordot(x: &Tensor, other: &Tensor, dims: &Pairing) -> Result<Tensor> {
    let (left, right): (Vec<isize>, Vec<isize>) = match dims {
        Pairing::Last(n) if !(0..=x.ndim().min(other.ndim()) as isize).contains(n) => {
            fail!(Value, "tensordot: {n} dims cannot be summed over in {} and {}", Show(x.shape()), Show(other.shape()))
        }
        Pairing::Last(n) => ((x.ndim() as isize - n..x.ndim() as isize).collect(), (0..*n).collect()),
        Pairing::Lists(a, b) => (a.clone(), b.clone()),
    };
    if left.len() != right.len() {
        fail!(
            Value,
            "tensordot: {} dims of the first tensor are paired with {} of the second",
            left.len(),
            right.len()
        );
    }
    let places = |dims: &[isize], t: &Tensor| -> Result<Dims> {
        let all: Dims = dims.iter().map(|&d| normalize_dim("tensordot", d, t.ndim())).collect::<Result<_>>()?;
        match all.iter().enumerate().find(|&(i, d)| all[..i].contains(d)) {
            Some((i, _)) => fail!(Value, "tensordot: dim {} appears twice", dims[i]),
            None => Ok(all),
        }
    };
    let (left, right) = (places(&left, x)?, places(&right, other)?);
    for (&a, &b) in left.iter().zip(&right) {
        let (m, n) = (x.shape()[a], other.shape()[b]);
        if m != n {
            let (sx, so) = (Show(x.shape()), Show(other.shape()));
            fail!(Value, "tensordot: dim {a} of {sx} and dim {b} of {so} have different sizes: {m} and {n}");
        }
    }
    contract(x, other, &left, &right)
}

/// Sum of products over paired dimensions, as one product of matrices; the dimensions that are left keep their order.
fn contract(a: &Tensor, b: &Tensor, left: &[usize], right: &[usize]) -> Result<Tensor> {
    if left.is_empty() {
        let apart: Dims = a.shape().iter().copied().chain(b.shape().iter().map(|_| 1)).collect();
        return mul(&reshape_to(a, &apart)?, b);
    }
    let others = |t: &Tensor, gone: &[usize]| -> Dims { (0..t.ndim()).filter(|d| !gone.contains(d)).collect() };
    let sizes = |t: &Tensor, dims: &[usize]| -> Dims { dims.iter().map(|&d| t.shape()[d]).collect() };
    let matrix = |t: &Tensor, rows: &[usize], cols: &[usize]| -> Result<Tensor> {
        let order: Vec<isize> = rows.iter().chain(cols).map(|&d| d as isize).collect();
        let shape = [sizes(t, rows).iter().product(), sizes(t, cols).iter().product()];
        reshape_to(&permute(t, &order)?, &shape)
    };
    let (rows, cols) = (others(a, left), others(b, right));
    let mut shape = sizes(a, &rows);
    shape.extend(sizes(b, &cols));
    reshape_to(&matmul(&matrix(a, &rows, left)?, &matrix(b, right, &cols)?)?, &shape)
}

/// `beta` · x + `alpha` · product.
fn plus(op: &str, x: &Tensor, product: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
    if broadcast(op, x.shape(), product.shape())?[..] != *product.shape() {
        fail!(Value, "{op}: x of shape {} cannot be broadcast to {}", Show(x.shape()), Show(product.shape()));
    }
    // Scaled in the dtype of the result, which may hold what that of an operand does not.
    let dtype = result_dtype(&[x, product]);
    let (x, product) = (cast(x, dtype)?, cast(product, dtype)?);
    let product = if alpha == 1.0 { product } else { scale(&product, alpha)? };
    // As in PyTorch, 0 · x is 0 even where x is NaN.
    if beta == 0.0 {
        return Ok(product);
    }
    add(&expand_to(&if beta == 1.0 { x } else { scale(&x, beta)? }, product.shape())?, &product)
}

/// `beta` · x + `alpha` · (mat1 @ mat2), where x broadcasts to the product of the two matrices. With `beta` 0, x is not
/// looked at, and may hold NaN.
#[op(method, beta = 1.0, alpha = 1.0)]
pub fn addmm(x: &Tensor, mat1: &Tensor, mat2: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
    plus("addmm", x, &matrices("addmm", mat1, mat2)?, beta, alpha)
}

/// `beta` · x + `alpha` · (mat @ vec), where x broadcasts to the product of matrix and vector.
#[op(method, beta = 1.0, alpha = 1.0)]
pub fn addmv(x: &Tensor, mat: &Tensor, vec: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
    plus("addmv", x, &matrix_vector("addmv", mat, vec)?, beta, alpha)
}

/// `beta` · x + `alpha` · (batch1 @ batch2), where x broadcasts to the products of the two stacks of matrices.
#[op(method, beta = 1.0, alpha = 1.0)]
pub fn baddbmm(x: &Tensor, batch1: &Tensor, batch2: &Tensor, beta: f64, alpha: f64) -> Result<Tensor> {
    plus("baddbmm", x, &stacks("baddbmm", batch1, batch2)?, beta, alpha)
}

/// Kronecker product: every element of `x` times all of `other`. Sizes multiply, dimension by dimension from the last.
#[op(method)]
pub fn kron(x: &Tensor, other: &Tensor) -> Result<Tensor> {
    // Before views are made, in which Python numbers are no longer known as such.
    let dtype = result_dtype(&[x, other]);
    let (x, other) = (&cast(x, dtype)?, &cast(other, dtype)?);
    let n = x.ndim().max(other.ndim());
    let aligned =
        |t: &Tensor| -> Dims { std::iter::repeat_n(1, n - t.ndim()).chain(t.shape().iter().copied()).collect() };
    let (a, b) = (aligned(x), aligned(other));
    let spaced =
        |s: &Dims, first: bool| -> Dims { s.iter().flat_map(|&n| if first { [n, 1] } else { [1, n] }).collect() };
    let y = mul(&reshape_to(x, &spaced(&a, true))?, &reshape_to(other, &spaced(&b, false))?)?;
    let shape: Dims = a.iter().zip(&b).map(|(m, n)| m * n).collect();
    reshape_to(&y, &shape)
}
