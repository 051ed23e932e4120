//! Creating tensors.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};

use rgrad_kernels::buffer::{Buffer, room_for};
use rgrad_kernels::lock::Lock;
use rgrad_kernels::simd::Element;

use super::{Backing, Data, Number, Scalar, Storage, Tensor, watch};
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::shape::{Layout, Show, checked_numel};

impl Storage {
    fn new(buffer: Buffer) -> Self {
        Self { buffer, version: AtomicU32::new(0), mark: AtomicU64::new(watch::built()), lent: AtomicBool::new(false) }
    }
}

/// Bytes that the system hands out for a tensor that is a view, or so many and more: it and its history.
const BYTES_OF_A_VIEW: usize = 512;
/// Tensors that are too few to be asked for beforehand.
const FEW: usize = 1024;

/// An empty vector for `n` tensors, if there is memory for them as well: each is allocated on its own, where the process would
/// end if there is none.
pub fn room_for_tensors(n: usize) -> Result<Vec<Tensor>> {
    if n > FEW {
        room_for::<[u8; BYTES_OF_A_VIEW]>(n)?;
    }
    Ok(room_for(n)?)
}

/// Runs `f` on memory for `n` elements, which are unspecified before.
pub(crate) fn scratch<T: Element, R>(n: usize, f: impl FnOnce(&mut [T]) -> Result<R>) -> Result<R> {
    let mut buffer = Buffer::new(n * size_of::<T>())?;
    f(&mut buffer.get_mut::<T>()[..n])
}

impl Tensor {
    // ---- Making ----

    /// A tensor over `buffer`, which holds its elements in row-major order.
    pub(crate) fn from_buffer(buffer: Buffer, shape: &[usize], dtype: DType) -> Self {
        Self::from_parts(Backing::Own(Storage::new(buffer)), Layout::contiguous(shape), dtype)
    }

    pub(super) fn from_parts(backing: Backing, layout: Layout, dtype: DType) -> Self {
        let data = Data {
            backing,
            layout,
            dtype,
            weak: false,
            recording: watch::watching(),
            requires_grad: AtomicBool::new(false),
            grad: Lock::new(None),
            hooks: OnceLock::new(),
        };
        Self { data: Arc::new(data), node: None, tangents: None }
    }

    /// A tensor whose elements `fill` writes; they are unspecified before.
    pub(crate) fn build<T: Element>(
        op: &str,
        shape: &[usize],
        dtype: DType,
        fill: impl FnOnce(&mut [T]) -> Result<()>,
    ) -> Result<Self> {
        debug_assert_eq!(dtype.size(), size_of::<T>());
        let n = checked_numel(op, shape)?;
        let mut buffer = Buffer::new(n * size_of::<T>())?;
        fill(&mut buffer.get_mut::<T>()[..n])?;
        Ok(Self::from_buffer(buffer, shape, dtype))
    }

    /// A tensor with a copy of `values` in row-major order. `ValueError` unless their number is that of the shape.
    pub fn from_slice<T: Scalar>(values: &[T], shape: &[usize]) -> Result<Self> {
        if checked_numel("tensor", shape)? != values.len() {
            fail!(Value, "tensor: {} values do not fill the shape {}", values.len(), Show(shape));
        }
        Self::build("tensor", shape, T::DTYPE, |out| {
            out.copy_from_slice(values);
            Ok(())
        })
    }

    /// A tensor over foreign memory, with a layout from [`Layout::foreign`].
    ///
    /// # Panics
    /// If `buffer` is too small for the layout.
    #[must_use]
    pub fn from_foreign(buffer: Buffer, layout: Layout, dtype: DType) -> Self {
        assert!(layout.end() <= buffer.bytes() / dtype.size());
        Self::from_parts(Backing::Own(Storage::new(buffer)), layout, dtype)
    }

    /// A tensor full of one number.
    pub fn full(shape: &[usize], value: Number, dtype: DType) -> Result<Self> {
        match dtype {
            DType::Float32 => Self::build("full", shape, dtype, |o| {
                o.fill(value.cast(|f| f as f32, |i| i as f32));
                Ok(())
            }),
            DType::Float64 => Self::build("full", shape, dtype, |o| {
                o.fill(value.cast(|f| f, |i| i as f64));
                Ok(())
            }),
            DType::Int64 => Self::build("full", shape, dtype, |o| {
                o.fill(value.cast(|f| f as i64, |i| i));
                Ok(())
            }),
            DType::Int32 => Self::build("full", shape, dtype, |o| {
                o.fill(value.cast(|f| f as i32, |i| i as i32));
                Ok(())
            }),
            DType::UInt8 => Self::build("full", shape, dtype, |o| {
                o.fill(value.cast(|f| f as u8, |i| i as u8));
                Ok(())
            }),
            DType::Bool => Self::build("full", shape, dtype, |o| {
                o.fill(value.cast(|f| u8::from(f != 0.0), |i| u8::from(i != 0)));
                Ok(())
            }),
        }
    }

    /// A 0-d tensor of a number that has a dtype.
    pub fn scalar(value: Number, dtype: DType) -> Result<Self> {
        Self::full(&[], value, dtype)
    }

    /// A 0-d tensor of a Python number, whose dtype gives way to that of any tensor of its kind: see [`result_dtype`].
    pub fn weak(value: Number) -> Result<Self> {
        let dtype = match value {
            Number::Bool(_) => DType::Bool,
            Number::Int(_) => DType::Int64,
            Number::Float(_) => DType::Float64,
        };
        let mut t = Self::full(&[], value, dtype)?;
        if let Some(data) = Arc::get_mut(&mut t.data) {
            data.weak = true;
        }
        Ok(t)
    }

    /// A 0-d tensor of a Python number with the dtype that it and this tensor have together, as [`result_dtype`] says; it
    /// stays weak if it is no value of that dtype, for the operation to see.
    pub fn number_beside(&self, value: Number) -> Result<Self> {
        let dtype = match value {
            Number::Int(n) if !self.dtype().holds(n) => return Self::weak(value),
            Number::Float(_) if !self.dtype().is_float() => DType::default_float(),
            Number::Int(_) if self.dtype() == DType::Bool => DType::Int64,
            _ => self.dtype(),
        };
        Self::full(&[], value, dtype)
    }
}
