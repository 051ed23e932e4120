//! The passes: each makes a program shorter or cheaper, and changes no bit of what it computes.

mod algebra;
mod chains;
mod common;
mod constants;
mod cross_entropy;
mod dead;
mod packed;
mod products;
mod targets;

use super::program::Program;

/// A pass, with the name by which it can be left out.
type Pass = (&'static str, fn(&mut Program));

/// In the order in which they run.
const PASSES: [Pass; 9] = [
    ("constants", constants::run),
    ("algebra", algebra::run),
    ("common", common::run),
    ("dead", dead::run),
    ("cross_entropy", cross_entropy::run),
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
