//! Selection of the instruction set.

use rgrad_kernels::simd::{Kernel, Simd, available, isa, pin};

use crate::numbers::Bits;

on_both_types! {
    kernels_run_on_the_instruction_set_in_use
}

/// Returns the name of the token's type.
struct Token;

impl<T: Bits> Kernel<T> for Token {
    type Out = &'static str;

    #[inline(always)]
    fn run<S: Simd<T>>(self, _: S) -> &'static str {
        assert_eq!(S::LANES, T::LANES);
        std::any::type_name::<S>()
    }
}

fn kernels_run_on_the_instruction_set_in_use<T: Bits>() {
    let token = T::run(Token).rsplit("::").next().unwrap().to_lowercase();
    assert_eq!(token, isa().name());
}

#[test]
fn the_environment_chooses_the_instruction_set() {
    match std::env::var("RGRAD_ISA") {
        Ok(name) if !name.is_empty() => assert_eq!(isa().name(), name),
        _ => assert_eq!(isa(), available()[0]),
    }
}

#[test]
fn pinning_says_why_it_fails() {
    let in_use = isa().name();
    assert_eq!(pin(in_use), Ok(isa()));

    let names: Vec<_> = available().iter().map(|i| i.name()).collect();
    let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
    for unknown in ["sse9", "", "Scalar", foreign] {
        let error = pin(unknown).unwrap_err();
        assert!(error.contains(&format!("{unknown:?}")) && error.contains(&names.join(", ")), "{error}");
    }
    for other in names.into_iter().filter(|&name| name != in_use) {
        let error = pin(other).unwrap_err();
        assert!(error.contains(other) && error.contains(in_use), "{error}");
    }
    assert_eq!(isa().name(), in_use);
}
