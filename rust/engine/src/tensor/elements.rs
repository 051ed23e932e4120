//! Reading and writing elements.

use std::sync::Arc;
use std::sync::atomic::Ordering::Release;

use rgrad_kernels::buffer::{Read, Write};
use rgrad_kernels::copy::Copies;
use rgrad_kernels::simd::Element;
use rgrad_kernels::{View, places_differ};

use super::make::scratch;
use super::{Number, Out, Tensor, watch};
use crate::dtype::{DType, match_any};
use crate::error::{Result, fail};
use crate::shape::{Layout, Show};

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
        watch::tell(|watcher| watcher.touched(self));
        Reader { guard: self.storage().buffer.read(), layout: &self.data.layout }
    }

    /// The whole storage for writing; counts as a change. The tensor's first element is at `layout().offset`.
    pub(crate) fn write<T: Element>(&self) -> Write<'_, T> {
        debug_assert_eq!(self.dtype().size(), size_of::<T>());
        watch::tell(|watcher| watcher.touched(self));
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
        data.backing.storage_mut()?.buffer.get_mut::<T>().get_mut(offset..offset + n)
    }

    /// Whether nobody else refers to the elements, and they fill a row-major block.
    pub(crate) fn is_exclusive(&mut self) -> bool {
        self.node.is_none()
            && self.tangents.is_none()
            && self.is_contiguous()
            && Arc::get_mut(&mut self.data).is_some_and(|d| d.backing.storage_mut().is_some())
    }

    /// The only element. `ValueError` if there are more, or none.
    pub fn item(&self) -> Result<Number> {
        if self.numel() != 1 {
            fail!(Value, "item: only a tensor of one element is a number, this one has shape {}", Show(self.shape()));
        }
        watch::check_free("reading its value", self)?;
        Ok(match self.dtype() {
            DType::Float32 => Number::Float(f64::from(self.read::<f32>().tail()[0])),
            DType::Float64 => Number::Float(self.read::<f64>().tail()[0]),
            DType::Int64 => Number::Int(self.read::<i64>().tail()[0]),
            DType::Int32 => Number::Int(i64::from(self.read::<i32>().tail()[0])),
            DType::UInt8 => Number::Int(i64::from(self.read::<u8>().tail()[0])),
            DType::Bool => Number::Bool(self.read::<u8>().tail()[0] != 0),
        })
    }

    /// Rejects writing to elements that share memory.
    pub(crate) fn check_distinct(&self) -> Result<()> {
        if !places_differ(self.shape(), &self.layout().strides) {
            fail!(
                Runtime,
                "cannot write in place to a tensor whose elements share memory, such as an expanded one; call clone() first"
            );
        }
        Ok(())
    }

    /// Writes the elements of `value`, broadcast, over this tensor's. It is of the same dtype, and has other memory.
    pub(crate) fn take_elements(&self, value: &Tensor) {
        let source = value.layout().expand(self.shape());
        match_any!(self.dtype(), T => {
            let from = value.read::<T>();
            let mut to = self.write::<T>();
            let to = &mut to[self.layout().offset..];
            rgrad_kernels::copy::copy_into(to, &self.layout().strides, self.shape(), View::new(from.tail(), &source.strides));
        });
    }

    /// Runs `f` on the elements in row-major order: where they are, or else copied aside.
    pub(crate) fn with_packed<T: Copies, R>(&self, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
        let from = self.read::<T>();
        if self.is_contiguous() {
            return f(from.slice());
        }
        scratch(self.numel(), |all| {
            rgrad_kernels::copy::copy(all, self.shape(), from.view());
            f(all)
        })
    }

    /// Passes on these elements in row-major order.
    pub(crate) fn pack_into(&self, out: &mut Out<'_>) -> Result<()> {
        match_any!(self.dtype(), T => {
            let from = self.read::<T>();
            out.build::<T>("copy", self.shape(), self.dtype(), |out| {
                rgrad_kernels::copy::copy(out, self.shape(), from.view());
                Ok(())
            })
        })
    }

    /// A tensor with these elements in a new row-major block.
    pub(crate) fn packed(&self) -> Result<Tensor> {
        let mut out = Out::new();
        self.pack_into(&mut out)?;
        Ok(out.result().0)
    }
}
