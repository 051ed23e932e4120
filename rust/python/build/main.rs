//! Writes Python's functions and methods of the engine's operations, from the signatures that are marked `#[op]` there.
//!
//! What it writes is code for `PyO3` as one would write it by hand: `target/…/build/rgrad-python-…/out/operations.rs`, which
//! `src/functions.rs` includes.

mod read;
mod write;

use std::path::Path;
use std::{env, fs};

fn main() {
    let ops = Path::new("../engine/src/ops");
    println!("cargo::rerun-if-changed={}", ops.display());
    let code = write::module(&read::operations(ops));
    let folder = env::var_os("OUT_DIR").expect("Cargo sets it");
    fs::write(Path::new(&folder).join("operations.rs"), code).expect("Cargo's own folder can be written to");
}
