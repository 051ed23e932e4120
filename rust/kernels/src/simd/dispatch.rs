//! Selection of the instruction set, and dispatch of kernels to it.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

#[cfg(target_arch = "aarch64")]
use super::Neon;
#[cfg(target_arch = "x86_64")]
use super::{Avx2, Avx512};
use super::{Real, Scalar, Simd};

/// An instruction set that the kernels are compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Isa {
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// 64-bit ARM.
    Neon,
    /// Plain Rust arrays, on any machine.
    Scalar,
}

impl Isa {
    /// The spelling that `RGRAD_ISA` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::Neon => "neon",
            Isa::Scalar => "scalar",
        }
    }
}

/// The instruction sets that this machine has, best first.
#[must_use]
pub fn available() -> Vec<Isa> {
    let mut found = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            found.push(Isa::Avx512);
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            found.push(Isa::Avx2);
        }
    }
    #[cfg(target_arch = "aarch64")]
    found.push(Isa::Neon);
    found.push(Isa::Scalar);
    found
}

/// The instruction set in use as a number, or 0 before the first use. Not a `OnceLock`, which could make a forked child
/// wait for a thread that it does not have.
static PINNED: AtomicU8 = AtomicU8::new(0);

const ALL: [Isa; 4] = [Isa::Avx512, Isa::Avx2, Isa::Neon, Isa::Scalar];

/// Makes `want` the instruction set in use unless there is one already; returns the one in use.
fn settle(want: Isa) -> Isa {
    match PINNED.compare_exchange(0, want as u8 + 1, Relaxed, Relaxed) {
        Ok(_) => want,
        Err(n) => ALL[n as usize - 1],
    }
}

/// Pins the instruction set by name for the life of the process.
///
/// Fails, with a sentence that says why, if the name is unknown, the machine lacks the instructions, or a kernel has
/// already run on another one.
pub fn pin(name: &str) -> Result<Isa, String> {
    let have = available();
    let names = || have.iter().map(|i| i.name()).collect::<Vec<_>>().join(", ");
    let Some(&want) = have.iter().find(|i| i.name() == name) else {
        return Err(format!("instruction set {name:?} is not available on this machine; it has: {}", names()));
    };
    let got = settle(want);
    if got == want { Ok(got) } else { Err(format!("cannot pin {name}: kernels already run on {}", got.name())) }
}

/// The instruction set in use: the pinned one, or else the one that `RGRAD_ISA` names, or else the machine's best.
///
/// # Panics
/// If `RGRAD_ISA` names one that the machine does not have; callers with a user pass the variable to [`pin`] first.
#[inline]
pub fn isa() -> Isa {
    match PINNED.load(Relaxed) {
        0 => first(),
        n => ALL[n as usize - 1],
    }
}

#[cold]
fn first() -> Isa {
    settle(match std::env::var("RGRAD_ISA") {
        Ok(name) if !name.is_empty() => {
            let found = available().into_iter().find(|i| i.name() == name);
            found.unwrap_or_else(|| panic!("RGRAD_ISA={name} is not available on this machine"))
        }
        _ => available()[0],
    })
}

/// A kernel: its arguments, and one body for every instruction set.
///
/// Mark `run` and every function that it calls with a token `#[inline(always)]`: code that is not inlined into the
/// shell is compiled without its target features.
pub trait Kernel<T: Real> {
    /// What the kernel returns.
    type Out;
    /// The body.
    fn run<S: Simd<T>>(self, simd: S) -> Self::Out;
}

/// Defines `run_f32` or `run_f64`, which dispatches to the shell of the instruction set in use.
macro_rules! shells {
    ($t:ident, $run:ident) => {
        #[inline]
        pub(super) fn $run<K: Kernel<$t>>(kernel: K) -> K::Out {
            match isa() {
                // SAFETY: `isa` returns an instruction set only if the machine has it.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx512 => Simd::<$t>::call(unsafe { Avx512::token() }, kernel),
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Isa::Avx2 => Simd::<$t>::call(unsafe { Avx2::token() }, kernel),
                // SAFETY: NEON is part of every aarch64 target that Rust supports.
                #[cfg(target_arch = "aarch64")]
                Isa::Neon => Simd::<$t>::call(unsafe { Neon::token() }, kernel),
                _ => Simd::<$t>::call(Scalar, kernel),
            }
        }
    };
}

shells!(f32, run_f32);
shells!(f64, run_f64);
