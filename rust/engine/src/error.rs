//! Errors, which correspond to Python's exceptions.

use std::fmt;

use rgrad_kernels::buffer::AllocError;

/// The kind of an error, named after the Python exception that it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// An argument of the right type with a value that cannot be used: shapes that do not fit, labels out of range.
    Value,
    /// An argument of the wrong type or dtype.
    Type,
    /// A dimension or index out of range.
    Index,
    /// Something that cannot be done now: backward through a freed graph, a saved tensor that has changed.
    Runtime,
    /// An integer divided by 0.
    ZeroDivision,
    /// No memory.
    Memory,
    /// An error in a callback of the embedding program, which keeps the original.
    Foreign,
}

/// An error with its message: the operation, what it got, and where useful what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Which exception.
    pub kind: ErrorKind,
    /// The message.
    pub message: String,
}

/// The result of everything that can fail.
pub type Result<T> = std::result::Result<T, Error>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<AllocError> for Error {
    fn from(e: AllocError) -> Self {
        Error { kind: ErrorKind::Memory, message: e.to_string() }
    }
}

/// `fail!(Value, "softmax: …{}", x)` returns early with that error.
macro_rules! fail {
    ($kind:ident, $($message:tt)+) => {
        return Err($crate::error::Error { kind: $crate::error::ErrorKind::$kind, message: format!($($message)+) })
    };
}
pub(crate) use fail;
