//! Every kernel of the crate has the same bits on every instruction set and for any number of threads.
#![allow(clippy::items_after_statements, reason = "lists of functions stand where they are used")]

mod data;
mod maps;
mod moves;
mod norms;
mod products;
mod rows;
#[path = "../strided/mod.rs"]
mod strided;
mod updates;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use data::Hash;
use rgrad_kernels::{simd, threads};

/// Including more threads than cores, and numbers that do not divide sizes evenly.
const THREADS: [usize; 4] = [1, 2, 3, 8];

/// A kernel, by module and function name, and a function that runs it on enough elements for several tasks.
type Row = (&'static str, fn(&mut Hash));

fn table() -> Vec<Row> {
    [maps::ROWS, moves::ROWS, norms::ROWS, products::ROWS, rows::ROWS, updates::ROWS].concat()
}

/// The crate's kernels: public functions, but not methods, that take a slice to write to.
fn kernels() -> BTreeSet<String> {
    fn visit(folder: &Path, module: &str, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let module = if module.is_empty() { stem } else { module };
            if path.is_dir() {
                visit(&path, module, found);
            } else {
                let source = std::fs::read_to_string(&path).unwrap();
                for rest in source.split("pub fn ").skip(1) {
                    let name = rest.split(['(', '<']).next().unwrap();
                    let parameters = &rest[..rest.find(['{', ';', '=']).unwrap()];
                    if parameters.split("->").next().unwrap().contains("&mut [") && !parameters.contains("self") {
                        found.insert(format!("{module}::{name}"));
                    }
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found);
    found
}

#[test]
#[cfg_attr(miri, ignore = "reads the sources")]
fn every_kernel_is_in_the_table() {
    let rows: BTreeSet<String> = table().iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(rows.len(), table().len(), "a kernel has two rows");
    assert!(rows.contains("gemm::gemm_batched") && rows.contains("map::unary"), "names are of this form");
    assert_eq!(rows, kernels(), "kernels and rows differ");
}

/// Prints the hash of every kernel's results for each number of threads. [`bits_are_the_same_everywhere`] runs it in
/// separate processes, since the instruction set is chosen once per process.
#[test]
#[ignore = "run by the test below"]
fn print_bits() {
    println!("isa {}", simd::isa().name());
    for n in THREADS {
        threads::set_num_threads(n);
        for (name, run) in table() {
            let mut hash = Hash::default();
            run(&mut hash);
            println!("bits {name} {n} {hash:?}");
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "compares processes")]
fn bits_are_the_same_everywhere() {
    let children: Vec<_> = simd::available()
        .into_iter()
        .map(|isa| {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "print_bits", "--ignored", "--nocapture"]).env("RGRAD_ISA", isa.name());
            (isa.name(), child.stdout(Stdio::piped()).spawn().unwrap())
        })
        .collect();
    let mut want: Vec<String> = Vec::new();
    for (isa, child) in children {
        let printed = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
        assert!(printed.contains(&format!("isa {isa}\n")), "the child runs as asked");
        let bits = printed.lines().filter_map(|line| line.strip_prefix("bits "));
        let bits: Vec<Vec<&str>> = bits.map(|line| line.split(' ').collect()).collect();
        assert_eq!(bits.len(), THREADS.len() * table().len(), "{isa}: a kernel failed");
        if want.is_empty() {
            want = bits[..table().len()].iter().map(|row| row[2].to_owned()).collect();
        }
        let differ: Vec<String> = bits
            .iter()
            .zip(want.iter().cycle())
            .filter(|(row, want)| row[2] != **want)
            .map(|(row, _)| format!("{} with {} threads", row[0], row[1]))
            .collect();
        assert!(differ.is_empty(), "{isa}: {}", differ.join(", "));
    }
}
