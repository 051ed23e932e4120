//! Python bindings of rgrad: the extension module `rgrad._core`.
//!
//! Nothing is computed here: arguments are converted ([`args`]), the interpreter is released around long work and the engine
//! is called ([`error::run`]), and errors become exceptions. Functions and methods of the operations are generated: for
//! `_core.linear`, `build` finds `#[op] fn linear` in the engine's sources, and writes the code that [`functions`] includes.

// PyO3 hands arguments over by value, and docstrings are written for Python's readers.
#![allow(clippy::needless_pass_by_value, clippy::trivially_copy_pass_by_ref, clippy::unused_self, clippy::doc_markdown)]
#![allow(unsafe_op_in_unsafe_fn, reason = "PyO3's own code, where a macro of ours writes the method")]
#![allow(missing_docs, reason = "what is public here is public in Python, where the docstrings are")]

mod args;
mod autograd;
mod compile;
mod compiled;
mod config;
mod create;
mod custom;
mod cycles;
mod dtype;
mod entry;
mod epoch;
mod error;
mod files;
mod functions;
mod guards;
mod index;
mod interop;
mod io;
mod make;
mod memory;
mod operands;
mod operators;
mod optim;
mod places;
mod results;
mod tensor;
mod transforms;
mod turn;

/// Writes the module: what stands here, and the functions of the operations.
macro_rules! module {
    ($($name:ident)*) => {
        use pyo3::prelude::*;

        /// The compiled part of rgrad. Use it through the package `rgrad`.
        #[pymodule]
        mod _core {
            #[pymodule_export]
            use crate::autograd::{
                _apart, _captured, _clock, _gradients, _set_anomaly, _set_grad_enabled, Hook, is_grad_enabled,
            };
            #[pymodule_export]
            use crate::compile::{_abandon, _changing, _is_recording, _meet, _record, _recorded, _refuse, PyProgram};
            #[pymodule_export]
            use crate::compiled::PyCompiled;
            #[pymodule_export]
            use crate::config::{
                _pin_isa, available_isas, empty_cache, get_num_threads, isa, memory_stats, set_num_threads,
            };
            #[pymodule_export]
            use crate::create::{
                PyGenerator, arange, dropout, empty, empty_like, eye, full, full_like, get_rng_state, linspace, logspace,
                manual_seed, meshgrid, ones, ones_like, rand, rand_like, randint, randn, randn_like, randperm,
                set_rng_state, tensor, zeros, zeros_like,
            };
            #[pymodule_export]
            use crate::custom::_custom;
            #[pymodule_export]
            use crate::transforms::{PyLevel, _alias, _has_tangent, _leaf, _split, _untaped, _version, _with_tangent};
            #[pymodule_export]
            use crate::dtype::{PyDType, get_default_dtype, set_default_dtype};
            #[pymodule_export]
            use crate::entry::_panic_at;
            #[pymodule_export]
            use crate::epoch::PyEpoch;
            #[pymodule_export]
            use crate::files::{_begin_file, _finish_file};
            #[pymodule_export]
            use crate::interop::{from_dlpack, from_numpy};
            #[pymodule_export]
            use crate::io::{load, save};
            #[pymodule_export]
            use crate::operators::{allclose, equal};
            #[pymodule_export]
            use crate::index::_check_rows;
            #[pymodule_export]
            use crate::optim::{_optim_state, _optim_step, _zero_grad, PyGroup, PyState};
            #[pymodule_export]
            use crate::places::PyPlaces;
            #[pymodule_export]
            use crate::tensor::{PyTensor, _rebuild};
            #[pymodule_export]
            use crate::functions::{$($name),*};
            #[pymodule_export]
            const VERSION: &str = env!("CARGO_PKG_VERSION");
            /// The names of the operations.
            #[pymodule_export]
            const OPS: [&str; crate::functions::OPS.len()] = crate::functions::OPS;
        }
    };
}

functions::operations!(module);
