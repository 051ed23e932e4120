//! Aliasing: arguments that share memory with each other or with captured tensors. A program treats them as different cells, and
//! runs on copies, which is equivalent unless the function reads one after it has changed the other.

use super::program::{Home, Program, Target};
use super::record::Recorder;
use crate::error::{Result, fail};
use crate::shape::Show;
use crate::tape;
use crate::tensor::Tensor;

/// An argument and another cell that the program treats as distinct.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Conflict {
    argument: usize,
    cell: usize,
    why: Why,
}

#[derive(Clone, Copy, PartialEq)]
enum Why {
    /// One of them is used after the other has been changed.
    Used,
    /// One of them was saved for a derivative that is computed after the other has been changed. Parts of one tensor are rejected
    /// even if they do not overlap: a tensor has one version.
    Saved,
}

/// All such pairs of a recorded program, before its passes.
pub(super) fn conflicts(program: &Program) -> Vec<Conflict> {
    let cells = &program.cells;
    let (mut written, mut used) = (vec![usize::MAX; cells.len()], vec![0; cells.len()]);
    for (i, instr) in program.instrs.iter().enumerate() {
        let changed = if instr.in_place { &instr.outputs[..] } else { &[] };
        for x in instr.inputs.iter().chain(changed) {
            used[x.cell] = i;
        }
        for y in changed {
            written[y.cell] = written[y.cell].min(i);
        }
    }
    let mut found = Vec::new();
    for (a, cell) in cells.iter().enumerate() {
        let Home::Argument(i) = cell.home else { continue };
        for (b, cell) in cells.iter().enumerate().filter(|&(b, _)| written[a] < used[b] || written[b] < used[a]) {
            let apart = match &cell.home {
                Home::Argument(j) => *j < i,
                // The program owns the memory of gradients that it makes.
                Home::Captured(_) => {
                    !program.gradients.iter().any(|g| g.made && g.after.as_ref().is_some_and(|y| y.cell == b))
                }
                _ => false,
            };
            if apart {
                found.push(Conflict { argument: i, cell: b, why: Why::Used });
            }
        }
    }
    found
}

/// `RuntimeError` if a program changes a captured tensor that shares memory with another one without being a view of the same
/// tensor: it would treat them as distinct.
pub(super) fn check_captured(program: &Program) -> Result<()> {
    let outside = |cell: usize| match &program.cells[cell].home {
        Home::Captured(t) => Some(t),
        _ => None,
    };
    let changed = program.instrs.iter().filter(|instr| instr.in_place).flat_map(|instr| &instr.outputs);
    for a in changed.map(|y| y.cell) {
        let Some(t) = outside(a).filter(|t| t.is_foreign()) else { continue };
        let others = (0..program.cells.len()).filter(|&b| b != a).filter_map(outside);
        if let Some(other) = others.into_iter().find(|other| t.overlaps(other)) {
            fail!(
                Runtime,
                "compile: the step changes a tensor of shape {} that shares memory with another one from outside, of shape {}: \
                 make both of one tensor, as views, or copy one with rg.tensor(array)",
                Show(t.shape()),
                Show(other.shape())
            );
        }
    }
    Ok(())
}

/// `RuntimeError` if arguments that the program treats as distinct share memory or a history.
pub(super) fn check(program: &Program, arguments: &[Tensor]) -> Result<()> {
    if !program.targets.is_empty() {
        check_histories(program, arguments)?;
    }
    for &Conflict { argument, cell, why } in &program.conflicts {
        check_apart(argument, &program.cells[cell].home, why, arguments)?;
    }
    Ok(())
}

/// `RuntimeError` if argument `i` shares memory with another argument or a captured tensor, although `why` requires them to be
/// distinct.
fn check_apart(i: usize, other: &Home, why: Why, arguments: &[Tensor]) -> Result<()> {
    let shared = |t: &Tensor| match why {
        Why::Used => arguments[i].overlaps(t),
        Why::Saved => arguments[i].shares_storage(t),
    };
    let what = match other {
        Home::Argument(j) if shared(&arguments[*j]) => format!("argument {j}"),
        Home::Captured(t) if shared(t) => {
            format!("a tensor of shape {} that the step takes from outside", Show(t.shape()))
        }
        _ => return Ok(()),
    };
    let does = match why {
        Why::Used => "uses one of them after it has changed the other, which a replay would not notice",
        Why::Saved => "changes one of them before it computes a derivative for which the other was saved",
    };
    fail!(Runtime, "compile: argument {i} shares memory with {what}, and the step {does}: pass argument.clone()");
}

impl Recorder {
    /// `RuntimeError` if memory shared with the tensors used now has been changed: the function would see the change, but the
    /// recording has made it to a copy.
    pub(super) fn check_apart(&self, used: &[&Tensor]) -> Result<()> {
        for (&(changed, _), t) in self.changed.iter().flat_map(|changed| used.iter().map(move |t| (changed, t))) {
            let home = match self.known(t) {
                Some(cell) if cell == changed => continue,
                Some(cell) => self.program.cells[cell].home.clone(),
                None if self.is_built(t) => continue,
                None => Home::Captured(t.whole()),
            };
            match (&self.program.cells[changed].home, &home) {
                (Home::Argument(i), other) | (other, Home::Argument(i)) => {
                    check_apart(*i, other, Why::Used, &self.given)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Records that a rule uses these, which were saved at `clock`.
    pub(super) fn relied<'a>(&mut self, saved: impl Iterator<Item = &'a Tensor>, clock: u64) {
        if self.changed.is_empty() {
            return;
        }
        for cell in saved.filter_map(|t| self.known(t)).collect::<Vec<_>>() {
            for changed in self.changed.iter().filter(|&&(changed, then)| changed != cell && then >= clock).map(|c| c.0)
            {
                let conflict = match (&self.program.cells[changed].home, &self.program.cells[cell].home) {
                    (&Home::Argument(argument), Home::Argument(_) | Home::Captured(_)) => (argument, cell),
                    (Home::Captured(_), &Home::Argument(argument)) => (argument, changed),
                    _ => continue,
                };
                let conflict = Conflict { argument: conflict.0, cell: conflict.1, why: Why::Saved };
                if !self.program.conflicts.contains(&conflict) {
                    self.program.conflicts.push(conflict);
                }
            }
        }
    }
}

/// `RuntimeError` if an argument is a tensor that the program computes gradients with respect to, or was computed from one: for
/// the program it is a leaf, so it does not contain what flows through the argument.
fn check_histories(program: &Program, arguments: &[Tensor]) -> Result<()> {
    for &i in &program.followed {
        let keys = program.targets.iter().filter_map(|target| match *target {
            Target::Argument(j) if j == i => None,
            Target::Argument(j) => tape::key(&arguments[j]),
            Target::Outside(key) => Some(key),
        });
        let captured = |t: &Tensor| t.requires_grad() && t.is_same(&arguments[i]);
        let is_target = program.targets.iter().any(|target| matches!(target, Target::Argument(j) if *j == i));
        let also = is_target && program.cells.iter().any(|cell| matches!(&cell.home, Home::Captured(t) if captured(t)));
        if also || tape::reaches(&arguments[i], &keys.collect::<Vec<_>>()) {
            fail!(
                Runtime,
                "compile: the step computes gradients of a tensor that argument {i} is, or was computed from, and to which a \
                 replay would find one way only: pass argument.detach(), or let the step compute it"
            );
        }
    }
    Ok(())
}
