//! The instruction set in use against plain arrays, method by method and bit for bit. `RGRAD_ISA` chooses it; the suite
//! runs once for each that the machine has.

/// Makes tests of generic functions, one for each element type.
macro_rules! on_both_types {
    ($($(#[$attribute:meta])* $name:ident)*) => {
        mod f32 {
            $($(#[$attribute])* #[test] fn $name() { super::$name::<f32>(); })*
        }
        mod f64 {
            $($(#[$attribute])* #[test] fn $name() { super::$name::<f64>(); })*
        }
    };
}

mod dispatch;
mod memory;
mod methods;
mod numbers;
