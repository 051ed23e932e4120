//! The passes: each makes a program shorter or cheaper, and changes no bit of what it computes.

mod dead;

use super::program::Program;

/// A pass, with the name by which it can be left out.
type Pass = (&'static str, fn(&mut Program));

/// In the order in which they run.
const PASSES: [Pass; 1] = [("dead", dead::run)];

/// Runs all passes that are not named.
pub(super) fn run(program: &mut Program, without: &[&str]) {
    for (name, pass) in PASSES {
        if !without.contains(&name) {
            pass(program);
        }
    }
}
