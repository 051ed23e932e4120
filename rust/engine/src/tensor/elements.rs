//! Reading and writing elements.

use std::sync::Arc;
use std::sync::atomic::Ordering::Release;

use rgrad_kernels::buffer::{Read, Write, room_for};
use rgrad_kernels::simd::Element;
use rgrad_kernels::{View, places_differ};

use super::{Number, Scalar, Tensor};
use crate::compile;
use crate::dtype::{DType, match_any};
use crate::error::{Result, fail};
use crate::ops;
use crate::shape::{Layout, Show};

/// What to write instead of a change in place.
const NEW_TENSOR: &str = "make a new tensor: write x = x + y for x += y or x.add_(y), and for single elements index_put, \
                          scatter, masked_fill, rg.where or rg.cat";

/// A tensor's elements, locked for reading, with their strides.
pub(crate) struct Reader<'a, T> {
    guard: Read<'a, T>,
    layout: &'a Layout,
}

impl<T: Element> Reader<'_, T> {
    /// The elements from the tensor's first one on, with the tensor's own strides.
    pub(crate) fn view(&self) -> View<'_, T> {
        View::new(&self.guard[self.layout.offset.min(self.guard.len())..], &self.layout.strides)
    }

    /// The elements of a contiguous tensor.
    pub(crate) fn slice(&self) -> &[T] {
        debug_assert!(self.layout.is_contiguous());
        let numel = self.layout.numel();
        if numel == 0 { &[] } else { &self.guard[self.layout.offset..][..numel] }
    }

    /// The elements from the tensor's first one on.
    pub(crate) fn tail(&self) -> &[T] {
        &self.guard[self.layout.offset.min(self.guard.len())..]
    }
}

impl Tensor {
    // ---- Elements ----

    /// The elements for reading. `T` must be the dtype's type.
    pub(crate) fn read<T: Element>(&self) -> Reader<'_, T> {
        debug_assert_eq!(self.dtype().size(), size_of::<T>());
        compile::touched(self);
        Reader { guard: self.storage().buffer.read(), layout: &self.data.layout }
    }

    /// The whole storage for writing; counts as a change. The tensor's first element is at `layout().offset`.
    pub(crate) fn write<T: Element>(&self) -> Write<'_, T> {
        debug_assert_eq!(self.dtype().size(), size_of::<T>());
        compile::touched(self);
        let guard = self.storage().buffer.write();
        self.storage().version.fetch_add(1, Release);
        guard
    }

    /// The elements of a contiguous tensor that nobody else refers to, for accumulating in place.
    pub(crate) fn get_mut<T: Element>(&mut self) -> Option<&mut [T]> {
        let data = Arc::get_mut(&mut self.data)?;
        if !data.layout.is_contiguous() {
            return None;
        }
        let (offset, n) = (data.layout.offset, data.layout.numel());
        data.home.storage_mut()?.buffer.get_mut::<T>().get_mut(offset..offset + n)
    }

    /// Whether nobody else refers to the elements, and they fill a row-major block.
    pub(crate) fn is_exclusive(&mut self) -> bool {
        self.node.is_none()
            && self.tangents.is_none()
            && self.is_contiguous()
            && Arc::get_mut(&mut self.data).is_some_and(|d| d.home.storage_mut().is_some())
    }

    /// The elements in row-major order. `TypeError` unless `T` is the dtype's type.
    pub fn to_vec<T: Scalar>(&self) -> Result<Vec<T>> {
        let same = self.dtype() == T::DTYPE || (self.dtype() == DType::Bool && T::DTYPE == DType::UInt8);
        if !same {
            fail!(Type, "to_vec: the tensor holds {}, not {}", self.dtype(), T::DTYPE);
        }
        compile::check_free("reading its elements", self)?;
        let t = ops::contiguous(self)?;
        let elements = t.read::<T>();
        let mut all = room_for(t.numel())?;
        all.extend_from_slice(elements.slice());
        Ok(all)
    }

    /// The only element. `ValueError` if there are more, or none.
    pub fn item(&self) -> Result<Number> {
        if self.numel() != 1 {
            fail!(Value, "item: only a tensor of one element is a number, this one has shape {}", Show(self.shape()));
        }
        compile::check_free("reading its value", self)?;
        Ok(match self.dtype() {
            DType::Float32 => Number::Float(f64::from(self.read::<f32>().tail()[0])),
            DType::Float64 => Number::Float(self.read::<f64>().tail()[0]),
            DType::Int64 => Number::Int(self.read::<i64>().tail()[0]),
            DType::Int32 => Number::Int(i64::from(self.read::<i32>().tail()[0])),
            DType::UInt8 => Number::Int(i64::from(self.read::<u8>().tail()[0])),
            DType::Bool => Number::Bool(self.read::<u8>().tail()[0] != 0),
        })
    }

    /// Refuses to write `value` in place to read-only memory, or if a derivative would be lost: see [`Tensor::copy_from`].
    pub(crate) fn check_write(&self, value: &Tensor) -> Result<()> {
        if self.is_read_only() {
            fail!(
                Value,
                "cannot write in place to memory that is read-only, such as that of an array with writeable=False; \
                 write to x.clone()"
            );
        }
        if self.has_tangent() || value.has_tangent() {
            fail!(
                Runtime,
                "cannot write in place in forward mode (jvp, jacfwd, hessian): the tangent would be lost. \
                 Make a new tensor instead, with index_put, scatter, masked_fill, rg.where or rg.cat, or write \
                 value.detach() into one that has no tangent"
            );
        }
        if !crate::tape::is_grad_enabled() {
            return Ok(());
        }
        if self.requires_grad() {
            if self.is_leaf() {
                fail!(
                    Runtime,
                    "cannot write in place to a leaf that requires gradients: its derivative would be lost. To set its \
                     value, as an optimizer does, write inside `with rg.no_grad():`; for a tensor that is computed from \
                     it, {NEW_TENSOR}"
                );
            }
            fail!(
                Runtime,
                "cannot write in place to the result of a taped operation: its derivative would be lost. Instead, {NEW_TENSOR}"
            );
        }
        if value.requires_grad() {
            fail!(
                Runtime,
                "cannot write a tensor that requires gradients into another one in place: the gradient could not flow \
                 back. Instead, {NEW_TENSOR}; or write value.detach(), if no gradient is to flow"
            );
        }
        Ok(())
    }

    /// Refuses to write to elements that share memory.
    pub(crate) fn check_distinct(&self) -> Result<()> {
        if !places_differ(self.shape(), &self.layout().strides) {
            fail!(
                Runtime,
                "cannot write in place to a tensor whose elements share memory, such as an expanded one; call clone() first"
            );
        }
        Ok(())
    }

    /// Writes `value`, broadcast to this tensor's shape and cast to its dtype, over this tensor's elements.
    ///
    /// `ValueError` if the memory is read-only or the shapes do not fit. `RuntimeError` if a derivative would be lost: if
    /// `self` requires gradients or `value` does, while recording is on, or if one of them has a tangent.
    pub fn copy_from(&self, value: &Tensor) -> Result<()> {
        self.check_write(value)?;
        let shape = crate::shape::broadcast("copy_", self.shape(), value.shape())?;
        if shape[..] != *self.shape() {
            let (from, to) = (Show(value.shape()), Show(self.shape()));
            fail!(Value, "copy_: a value of shape {from} cannot be broadcast to the shape {to}");
        }
        self.check_distinct()?;
        if self.numel() == 0 {
            return Ok(());
        }
        let (out, value) = (self.without_history(), value.without_history());
        compile::write_as(compile::Kind::Overwrite, "copy_", &out, &[&value], |out, x| out.overwrite(x[0]))
    }

    /// Writes a value that fits.
    fn overwrite(&self, value: &Tensor) -> Result<()> {
        let mut value = ops::cast(value, self.dtype())?;
        if value.shares_storage(self) {
            value = ops::copy(&value)?;
        }
        let source = value.layout().expand(self.shape());
        match_any!(self.dtype(), T => {
            let from = value.read::<T>();
            let mut to = self.write::<T>();
            let to = &mut to[self.layout().offset..];
            rgrad_kernels::copy::copy_into(to, &self.layout().strides, self.shape(), View::new(from.tail(), &source.strides));
        });
        Ok(())
    }
}
