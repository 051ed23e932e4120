//! The machine: instruction set, threads, allocator; and files.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use rgrad_kernels::{buffer, simd, threads};

use crate::args::Int;
use crate::entry::prelude::*;

/// Larger numbers are mistakes, and would start that many threads.
const MOST_THREADS: usize = 1024;

/// Sets the largest number of threads of an operation. `ValueError` unless it is 1 to 1024.
#[pyfunction]
pub fn set_num_threads(n: Int) -> PyResult<()> {
    let n = n.0;
    match usize::try_from(n) {
        Ok(n) if (1..=MOST_THREADS).contains(&n) => {
            threads::set_num_threads(n);
            Ok(())
        }
        _ => Err(PyValueError::new_err(format!("the number of threads must be 1 to {MOST_THREADS}, got {n}"))),
    }
}

/// The largest number of threads of an operation.
#[pyfunction]
pub fn get_num_threads() -> usize {
    threads::num_threads()
}

/// The largest number of threads of an operation, for C; threadpoolctl recognizes the library by this symbol.
#[unsafe(no_mangle)]
pub extern "C" fn rgrad_num_threads() -> usize {
    threads::num_threads()
}

/// The instruction set that the kernels run on: "avx512", "avx2", "neon" or "scalar".
#[pyfunction]
pub fn isa() -> &'static str {
    simd::isa().name()
}

/// The instruction sets that this machine has, best first.
#[pyfunction]
pub fn available_isas() -> Vec<&'static str> {
    simd::available().into_iter().map(simd::Isa::name).collect()
}

/// Pins the instruction set for the life of the process. `ValueError` if the machine lacks it or another one has run.
#[pyfunction]
pub fn _pin_isa(name: &str) -> PyResult<()> {
    simd::pin(name).map(|_| ()).map_err(PyValueError::new_err)
}

/// Statistics of the caching allocator in bytes: the memory held from the system and its maximum, the parts of it in use by
/// tensors and in caches; and the number of requests to the system, which is constant in a steady loop.
#[pyfunction]
pub fn memory_stats() -> HashMap<&'static str, usize> {
    let s = buffer::stats();
    HashMap::from([
        ("reserved_bytes", s.reserved_bytes),
        ("peak_reserved_bytes", s.peak_reserved_bytes),
        ("in_use_bytes", s.reserved_bytes.saturating_sub(s.cached_bytes)),
        ("cached_bytes", s.cached_bytes),
        ("system_allocations", s.system_allocations),
    ])
}

/// Returns cached memory to the system. Running threads return up to 2 MiB each when they next free a tensor.
#[pyfunction]
pub fn empty_cache() {
    buffer::empty_cache();
}
