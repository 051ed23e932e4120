//! Element types of tensors, and how they combine.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use crate::error::{Result, fail};

/// The type of a tensor's elements. The order is that of promotion: see [`DType::promote`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum DType {
    /// Booleans, one byte each: 0 or 1.
    Bool,
    /// Unsigned 8-bit integers.
    UInt8,
    /// Signed 32-bit integers.
    Int32,
    /// Signed 64-bit integers.
    Int64,
    /// IEEE 754 single precision.
    Float32,
    /// IEEE 754 double precision.
    Float64,
}

static DEFAULT: AtomicU8 = AtomicU8::new(DType::Float32 as u8);

impl DType {
    /// All of them, in the order of promotion.
    pub const ALL: [DType; 6] = [DType::Bool, DType::UInt8, DType::Int32, DType::Int64, DType::Float32, DType::Float64];

    /// NumPy's name: `float32`, `int64`, `bool`, …
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DType::Bool => "bool",
            DType::UInt8 => "uint8",
            DType::Int32 => "int32",
            DType::Int64 => "int64",
            DType::Float32 => "float32",
            DType::Float64 => "float64",
        }
    }

    /// The type of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|d| d.name() == name)
    }

    /// Bytes of an element.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            DType::Bool | DType::UInt8 => 1,
            DType::Int32 | DType::Float32 => 4,
            DType::Int64 | DType::Float64 => 8,
        }
    }

    /// Whether it is a floating-point type, so that derivatives exist.
    #[must_use]
    pub fn is_float(self) -> bool {
        self >= DType::Float32
    }

    /// Whether the values are integers; booleans are not.
    #[must_use]
    pub fn is_integer(self) -> bool {
        matches!(self, DType::UInt8 | DType::Int32 | DType::Int64)
    }

    /// Whether the integer `n` is a value of this type; floats take every integer, rounded.
    #[must_use]
    pub fn holds(self, n: i64) -> bool {
        match self {
            DType::UInt8 => u8::try_from(n).is_ok(),
            DType::Int32 => i32::try_from(n).is_ok(),
            DType::Bool | DType::Int64 | DType::Float32 | DType::Float64 => true,
        }
    }

    /// The type that an operation on both computes in: floats before integers before bool, wider before narrower, as in
    /// the array API standard. An integer with a float takes the float's type, as in PyTorch.
    #[must_use]
    pub fn promote(self, other: Self) -> Self {
        self.max(other)
    }

    /// The type of Python floats, and of floating-point results of integers: `float32` unless changed.
    #[must_use]
    pub fn default_float() -> Self {
        if DEFAULT.load(Relaxed) == DType::Float64 as u8 { DType::Float64 } else { DType::Float32 }
    }

    /// Changes the type of Python floats. `TypeError` unless it is a float type.
    pub fn set_default_float(self) -> Result<()> {
        if !self.is_float() {
            fail!(Type, "set_default_dtype: expected float32 or float64, got {self}");
        }
        DEFAULT.store(self as u8, Relaxed);
        Ok(())
    }

    /// This type if it is a float type, else the default one.
    #[must_use]
    pub fn or_float(self) -> Self {
        if self.is_float() { self } else { Self::default_float() }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Runs `$body` with `$t` bound to the Rust type of a float dtype; anything else is a `TypeError` naming `$op`.
macro_rules! match_float {
    ($dtype:expr, $op:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::dtype::DType::Float32 => {
                type $t = f32;
                $body
            }
            $crate::dtype::DType::Float64 => {
                type $t = f64;
                $body
            }
            other => $crate::error::fail!(Type, "{}: expected a tensor of floats, got {other}", $op),
        }
    };
}

/// Runs `$body` with `$t` bound to the Rust type of any dtype; bool is `u8`.
macro_rules! match_any {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::dtype::DType::Float32 => {
                type $t = f32;
                $body
            }
            $crate::dtype::DType::Float64 => {
                type $t = f64;
                $body
            }
            $crate::dtype::DType::Int64 => {
                type $t = i64;
                $body
            }
            $crate::dtype::DType::Int32 => {
                type $t = i32;
                $body
            }
            $crate::dtype::DType::UInt8 | $crate::dtype::DType::Bool => {
                type $t = u8;
                $body
            }
        }
    };
}

/// Runs `$body` with `$t` bound to the Rust type of an integer dtype; anything else is a `TypeError` naming `$op`.
macro_rules! match_int {
    ($dtype:expr, $op:expr, $t:ident => $body:expr) => {
        match $dtype {
            $crate::dtype::DType::Int64 => {
                type $t = i64;
                $body
            }
            $crate::dtype::DType::Int32 => {
                type $t = i32;
                $body
            }
            $crate::dtype::DType::UInt8 => {
                type $t = u8;
                $body
            }
            other => $crate::error::fail!(Type, "{}: expected numbers, got {other}; write x.to(rg.int64)", $op),
        }
    };
}

pub(crate) use {match_any, match_float, match_int};
