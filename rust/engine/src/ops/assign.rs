//! Writing elements in place, and reading them all.

use rgrad_kernels::buffer::room_for;

use super::{cast, contiguous, copy};
use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::op::{self, Kind, is_grad_enabled};
use crate::shape::{Show, broadcast};
use crate::tensor::{Scalar, Tensor, watch};

/// What to write instead of a change in place.
const NEW_TENSOR: &str = "make a new tensor: write x = x + y for x += y or x.add_(y), and for single elements index_put, \
                          scatter, masked_fill, rg.where or rg.cat";

impl Tensor {
    /// The elements in row-major order. `TypeError` unless `T` is the dtype's type.
    pub fn to_vec<T: Scalar>(&self) -> Result<Vec<T>> {
        let same = self.dtype() == T::DTYPE || (self.dtype() == DType::Bool && T::DTYPE == DType::UInt8);
        if !same {
            fail!(Type, "to_vec: the tensor holds {}, not {}", self.dtype(), T::DTYPE);
        }
        watch::check_free("reading its elements", self)?;
        let t = contiguous(self)?;
        let elements = t.read::<T>();
        let mut all = room_for(t.numel())?;
        all.extend_from_slice(elements.slice());
        Ok(all)
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
        if !is_grad_enabled() {
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

    /// Writes `value`, broadcast to this tensor's shape and cast to its dtype, over this tensor's elements.
    ///
    /// `ValueError` if the memory is read-only or the shapes do not fit. `RuntimeError` if a derivative would be lost: if
    /// `self` requires gradients or `value` does, while recording is on, or if one of them has a tangent.
    pub fn copy_from(&self, value: &Tensor) -> Result<()> {
        self.check_write(value)?;
        let shape = broadcast("copy_", self.shape(), value.shape())?;
        if shape[..] != *self.shape() {
            let (from, to) = (Show(value.shape()), Show(self.shape()));
            fail!(Value, "copy_: a value of shape {from} cannot be broadcast to the shape {to}");
        }
        self.check_distinct()?;
        if self.numel() == 0 {
            return Ok(());
        }
        let (out, value) = (self.without_history(), value.without_history());
        op::write_as(Kind::Overwrite, "copy_", &out, &[&value], |out, x| out.overwrite(x[0]))
    }

    /// Writes a value that fits.
    fn overwrite(&self, value: &Tensor) -> Result<()> {
        let mut value = cast(value, self.dtype())?;
        if value.shares_storage(self) {
            value = copy(&value)?;
        }
        self.take_elements(&value);
        Ok(())
    }
}
