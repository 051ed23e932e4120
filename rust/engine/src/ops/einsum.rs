//! Sums of products by Einstein's convention. Operands are contracted in pairs from the left, each pair by one product of
//! matrices; what only one operand of a pair has is summed before.

use rgrad_macros::op;

use super::cast;
use super::diagonal::diagonal;
use super::elementwise::mul;
use super::matmul::matmul;
use super::reduce::sum_over;
use super::views::{permute, reshape_to};
use crate::error::{Result, fail};
use crate::shape::{Dims, Show};
use crate::tensor::{Tensor, result_dtype};

/// One subscript: a letter, or [`ELLIPSIS`], and its position in the equation.
#[derive(Clone, Copy)]
struct Subscript {
    letter: char,
    at: usize,
}

const ELLIPSIS: char = '.';

/// A dimension: the number of its letter, or for those of an ellipsis, which are counted from the last, of none.
type Label = u32;
const BEHIND_LETTERS: Label = char::MAX as Label + 1;

struct Equation<'a> {
    text: &'a str,
    inputs: Vec<Vec<Subscript>>,
    output: Option<Vec<Subscript>>,
}

/// Fails with what is wrong at a character of the equation.
macro_rules! fail_at {
    ($text:expr, $at:expr, $($message:tt)+) => {
        fail!(Value, "einsum: {} at position {} of {:?}", format_args!($($message)+), $at, $text)
    };
}

impl<'a> Equation<'a> {
    fn parse(text: &'a str) -> Result<Self> {
        let chars: Vec<char> = text.chars().collect();
        let (mut terms, mut arrow) = (vec![Vec::new()], None);
        let mut at = 0;
        while at < chars.len() {
            let term: &mut Vec<Subscript> = terms.last_mut().expect("there is a first term");
            match chars[at] {
                ' ' => {}
                ',' if arrow.is_some() => fail_at!(text, at, "the result has a second term"),
                ',' => terms.push(Vec::new()),
                '-' if chars.get(at + 1) != Some(&'>') => fail_at!(text, at, "\"-\" is not followed by \">\""),
                '-' if arrow.is_some() => fail_at!(text, at, "there is a second \"->\""),
                '-' => {
                    arrow = Some(terms.len());
                    terms.push(Vec::new());
                    at += 1;
                }
                '.' if chars.get(at..at + 3) != Some(&['.'; 3]) => fail_at!(text, at, "\".\" is not part of \"...\""),
                '.' if term.iter().any(|s| s.letter == ELLIPSIS) => fail_at!(text, at, "the term has a second \"...\""),
                '.' => {
                    term.push(Subscript { letter: ELLIPSIS, at });
                    at += 2;
                }
                letter if letter.is_ascii_alphabetic() => term.push(Subscript { letter, at }),
                other => fail_at!(text, at, "{other:?} is not a letter"),
            }
            at += 1;
        }
        let output = arrow.and_then(|_| terms.pop());
        Ok(Self { text, inputs: terms, output })
    }

    /// The labels of an operand's dimensions.
    fn labels(&self, i: usize, x: &Tensor) -> Result<Vec<Label>> {
        let term = &self.inputs[i];
        let letters = term.iter().filter(|s| s.letter != ELLIPSIS).count();
        let open = letters < term.len();
        if x.ndim() < letters || (!open && x.ndim() > letters) {
            let at = term.first().map_or(self.text.len(), |s| s.at);
            let least = if open { "at least " } else { "" };
            let shape = Show(x.shape());
            fail_at!(
                self.text,
                at,
                "operand {i} of shape {shape} does not have {least}{letters} dimensions, as its term"
            );
        }
        Ok(spelled(term, x.ndim() - letters))
    }

    /// The labels of the result, where the ellipses of the operands have up to `rest` dimensions.
    fn result(&self, inputs: &[Vec<Label>], rest: usize) -> Result<Vec<Label>> {
        let Some(term) = &self.output else {
            let all = || inputs.iter().flatten().copied();
            let mut once: Vec<Label> =
                all().filter(|&l| l < BEHIND_LETTERS && all().filter(|&m| m == l).count() == 1).collect();
            once.sort_unstable();
            return Ok((0..rest).rev().map(|r| BEHIND_LETTERS + r as Label).chain(once).collect());
        };
        for (k, s) in term.iter().enumerate().filter(|(_, s)| s.letter != ELLIPSIS) {
            if !inputs.iter().flatten().any(|&l| l == s.letter as Label) {
                fail_at!(self.text, s.at, "no operand has the result's {:?}", s.letter);
            }
            if term[..k].iter().any(|t| t.letter == s.letter) {
                fail_at!(self.text, s.at, "the result names {:?} twice", s.letter);
            }
        }
        Ok(spelled(term, rest))
    }
}

/// The labels of a term whose ellipsis stands for `rest` dimensions.
fn spelled(term: &[Subscript], rest: usize) -> Vec<Label> {
    let one = |s: &Subscript| match s.letter {
        ELLIPSIS => (0..rest).rev().map(|r| BEHIND_LETTERS + r as Label).collect(),
        letter => vec![letter as Label],
    };
    term.iter().flat_map(one).collect()
}

/// A tensor with a label for every dimension.
struct Operand {
    x: Tensor,
    labels: Vec<Label>,
}

impl Operand {
    fn place(&self, label: Label) -> Option<usize> {
        self.labels.iter().position(|&l| l == label)
    }

    fn size(&self, label: Label) -> Option<usize> {
        self.place(label).map(|d| self.x.shape()[d])
    }

    /// Without dimensions of size 1 that others extend, which broadcasts them.
    fn without_ones(self, sizes: &[(Label, usize)]) -> Result<Self> {
        let stays = |d: &usize| self.x.shape()[*d] != 1 || sizes.contains(&(self.labels[*d], 1));
        let dims: Vec<usize> = (0..self.labels.len()).filter(stays).collect();
        let shape: Dims = dims.iter().map(|&d| self.x.shape()[d]).collect();
        Ok(Self { x: reshape_to(&self.x, &shape)?, labels: dims.iter().map(|&d| self.labels[d]).collect() })
    }

    /// Labels that appear twice become one, of the diagonal.
    fn without_repeats(mut self) -> Result<Self> {
        while let Some((second, first)) = (0..self.labels.len()).find_map(|j| {
            let first = self.labels[..j].iter().position(|&l| l == self.labels[j]);
            first.map(|i| (j, i))
        }) {
            self.x = diagonal(&self.x, 0, first as isize, second as isize)?;
            let label = self.labels.remove(second);
            self.labels.remove(first);
            self.labels.push(label);
        }
        Ok(self)
    }

    /// Without the dimensions that are not to stay, which are summed over.
    fn keep(self, stays: impl Fn(Label) -> bool) -> Result<Self> {
        let gone: Dims = (0..self.labels.len()).filter(|&d| !stays(self.labels[d])).collect();
        if gone.is_empty() {
            return Ok(self);
        }
        let labels = self.labels.iter().copied().filter(|&l| stays(l)).collect();
        // Integers stay what they are, as those that are multiplied do.
        Ok(Self { x: cast(&sum_over(&self.x, &gone, false)?, self.x.dtype())?, labels })
    }

    /// The dimensions of these labels in this order, with size 1 for those that are missing; all of its own are among them.
    fn aligned(&self, labels: &[Label]) -> Result<Tensor> {
        let order: Vec<isize> = labels.iter().filter_map(|&l| self.place(l)).map(|d| d as isize).collect();
        let shape: Dims = labels.iter().map(|&l| self.size(l).unwrap_or(1)).collect();
        reshape_to(&permute(&self.x, &order)?, &shape)
    }

    /// The stack of matrices that has these labels as stack, rows and columns.
    fn matrices(&self, stack: &[Label], rows: &[Label], columns: &[Label]) -> Result<Tensor> {
        let size = |labels: &[Label]| -> usize { labels.iter().filter_map(|&l| self.size(l)).product() };
        let all = self.aligned(&[stack, rows, columns].concat())?;
        let mut shape: Dims = all.shape()[..stack.len()].into();
        shape.extend([size(rows), size(columns)]);
        reshape_to(&all, &shape)
    }
}

/// The product of two operands, summed over what is not `needed`.
fn pair(a: Operand, b: Operand, needed: &dyn Fn(Label) -> bool) -> Result<Operand> {
    let (a_has, b_has) = (a.labels.clone(), b.labels.clone());
    let a = a.keep(|l| needed(l) || b_has.contains(&l))?;
    let b = b.keep(|l| needed(l) || a_has.contains(&l))?;
    let (common, rows): (Vec<Label>, Vec<Label>) = a.labels.iter().partition(|&&l| b.place(l).is_some());
    let (stack, summed): (Vec<Label>, Vec<Label>) = common.iter().partition(|&&l| needed(l));
    let columns: Vec<Label> = b.labels.iter().copied().filter(|&l| a.place(l).is_none()).collect();
    let labels = [&stack[..], &rows, &columns].concat();
    // Single rows times single columns, for which blocks of a matrix product are too large; or integers, which it does not take.
    let alone = rows.is_empty() && columns.is_empty();
    if summed.is_empty() || alone || !a.x.dtype().is_float() {
        let all = [&labels[..], &summed].concat();
        let x = mul(&a.aligned(&all)?, &b.aligned(&all)?)?;
        return Operand { x, labels: all }.keep(|l| !summed.contains(&l));
    }
    let shape: Dims = labels.iter().filter_map(|&l| a.size(l).or_else(|| b.size(l))).collect();
    let y = matmul(&a.matrices(&stack, &rows, &summed)?, &b.matrices(&stack, &summed, &columns)?)?;
    Ok(Operand { x: reshape_to(&y, &shape)?, labels })
}

/// Refuses sizes that differ, in the error naming the subscript; those of size 1 broadcast, but for a diagonal's. The sizes are
/// those of the labels.
fn sizes(equation: &Equation, operands: &[Operand]) -> Result<Vec<(Label, usize)>> {
    let mut all: Vec<(Label, usize)> = Vec::new();
    for (i, o) in operands.iter().enumerate() {
        for (d, (&label, &n)) in o.labels.iter().zip(o.x.shape()).enumerate() {
            let twice = o.place(label).is_some_and(|first| o.x.shape()[first] != n);
            match all.iter_mut().find(|(l, _)| *l == label) {
                None => all.push((label, n)),
                Some((_, size)) if !twice && (*size == n || n == 1) => {}
                Some((_, size)) if !twice && *size == 1 => *size = n,
                Some(&mut (_, size)) => {
                    let of =
                        |s: &&Subscript| s.letter as Label == label || label >= BEHIND_LETTERS && s.letter == ELLIPSIS;
                    let s = equation.inputs[i].iter().find(of).expect("a label comes from a subscript");
                    let (letter, text) = (s.letter, equation.text);
                    fail_at!(text, s.at, "dim {d} of operand {i} is {n}, where {letter:?} was {size} before,");
                }
            }
        }
    }
    Ok(all)
}

/// Sum of products of the operands' elements, as `equation` says: a letter for every dimension of every operand,
/// separated by commas, then "->" and the letters of the result: "ij,jk->ik" is a matrix product. Letters that the
/// result does not name are summed over; one that an operand names twice is its diagonal. "..." stands for any other
/// dimensions, which broadcast. Without "->", the result has those and then, in alphabetic order, the letters that
/// appear once.
///
/// `ValueError` names the position in the equation of what is wrong: a character, a term that does not fit its operand,
/// sizes that differ, a letter of the result that no operand has.
///
/// >>> rg.einsum("ij,jk->ik", rg.ones(2, 3), rg.ones(3, 1)).tolist()
/// [[3.0], [3.0]]
/// >>> rg.einsum("ii", rg.eye(3)).item()
/// 3.0
#[op(function, *operands)]
pub fn einsum(equation: &str, operands: &[Tensor]) -> Result<Tensor> {
    let equation = Equation::parse(equation)?;
    if equation.inputs.len() != operands.len() {
        let (terms, got, text) = (equation.inputs.len(), operands.len(), equation.text);
        fail!(Value, "einsum: {text:?} has {terms} terms, one for every operand, and {got} operands were given");
    }
    let dtype = result_dtype(&operands.iter().collect::<Vec<_>>());
    let named = |(i, x): (usize, &Tensor)| Ok(Operand { x: cast(x, dtype)?, labels: equation.labels(i, x)? });
    let operands = operands.iter().enumerate().map(named).collect::<Result<Vec<_>>>()?;
    let rest = |o: &Operand| o.labels.iter().filter(|&&l| l >= BEHIND_LETTERS).count();
    let rest = operands.iter().map(rest).max().unwrap_or(0);
    let labels: Vec<Vec<Label>> = operands.iter().map(|o| o.labels.clone()).collect();
    let output = equation.result(&labels, rest)?;
    let sizes = sizes(&equation, &operands)?;
    let mut operands = operands
        .into_iter()
        .map(|o| o.without_ones(&sizes)?.without_repeats())
        .collect::<Result<std::collections::VecDeque<_>>>()?;
    let Some(mut total) = operands.pop_front() else { unreachable!("an equation has at least one term") };
    while let Some(next) = operands.pop_front() {
        total = pair(total, next, &|l| output.contains(&l) || operands.iter().any(|o| o.place(l).is_some()))?;
    }
    total.keep(|l| output.contains(&l))?.aligned(&output)
}
