//! The passes: each makes a program shorter or cheaper, and changes no bit of what it computes.

mod algebra;
mod chains;
mod common;
mod constants;
mod dead;
mod packed;
mod products;
mod targets;

use super::program::Program;

/// A pass, with the name by which it can be disabled.
type Pass = (&'static str, fn(&mut Program));

/// In the order in which they run.
const PASSES: [Pass; 8] = [
    ("constants", constants::run),
    ("algebra", algebra::run),
    ("common", common::run),
    ("dead", dead::run),
    ("products", products::run),
    ("packed", packed::run),
    ("chains", chains::run),
    ("targets", targets::run),
];

/// The names of the passes, in the order in which they run.
pub fn passes() -> impl Iterator<Item = &'static str> {
    PASSES.iter().map(|(name, _)| *name)
}

/// Runs all passes that are not named.
pub(super) fn run(program: &mut Program, without: &[&str]) {
    for (name, pass) in PASSES {
        if !without.contains(&name) {
            pass(program);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::edit::LOOKS;
    use super::super::record::Recording;
    use super::*;
    use crate::error::Result;
    use crate::tape::{self, Options};
    use crate::tensor::{Number, Tensor};
    use crate::{DType, ops};

    fn numbers(n: usize) -> Tensor {
        Tensor::full(&[n], Number::Float(0.3), DType::Float32).unwrap()
    }

    /// How often the passes access instructions while `f` is compiled.
    fn looks(arguments: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>>) -> (usize, usize) {
        let (recording, copies) = Recording::begin(arguments).unwrap();
        let results = f(&copies).unwrap();
        let mut program = recording.finish(&results, arguments, Ok).unwrap().0;
        let count = program.instrs.len();
        LOOKS.set(0);
        run(&mut program, &[]);
        (count, LOOKS.get())
    }

    /// A rotation of two numbers, as in a solver of differential equations.
    fn oscillator(steps: usize) -> (usize, usize) {
        let rate = Tensor::scalar(Number::Float(0.01), DType::Float32).unwrap();
        looks(&[numbers(8), numbers(8)], |x| {
            let (mut x, mut y) = (x[0].clone(), x[1].clone());
            for _ in 0..steps {
                (x, y) = (ops::add(&x, &ops::mul(&rate, &y)?)?, ops::sub(&y, &ops::mul(&rate, &x)?)?);
            }
            Ok(vec![x, y])
        })
    }

    /// The gradient of a long composition.
    fn sines(steps: usize) -> (usize, usize) {
        looks(&[numbers(8)], |x| {
            let x = x[0].detach();
            x.set_requires_grad(true)?;
            let mut y = x.clone();
            for _ in 0..steps {
                y = ops::sin(&y)?;
            }
            let total = ops::sum(&y, None, false)?;
            let grads = tape::gradients(&[total], &[x], &[None], Options::default())?;
            Ok(grads.into_iter().flatten().collect())
        })
    }

    #[test]
    fn passes_look_at_each_instruction_of_a_long_program_as_often_as_of_a_short_one() {
        for f in [oscillator, sines] {
            // Long enough for chains of the largest size.
            let ((short, few), (long, many)) = (f(200), f(1600));
            assert!(long >= 7 * short, "{long} instructions are not eight times {short}");
            let (least, most) = (few as f64 / short as f64, many as f64 / long as f64);
            assert!(most < 1.2 * least, "{least} looks at each of {short} instructions, {most} at each of {long}");
        }
    }
}
