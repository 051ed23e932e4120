//! The memory layout of tensors: methods of `Tensor`.

use rgrad_engine::shape::normalize_dim;

use crate::args::Int;
use crate::entry::prelude::*;
use crate::error::to_py;
use crate::tensor::{PyTensor, Sizes};

#[pymethods]
impl PyTensor {
    /// The stride of every dimension, or of dimension `dim`, in elements.
    #[pyo3(signature = (dim=None) -> "int | tuple[int, ...]")]
    fn stride(&self, py: Python<'_>, dim: Option<Int>) -> PyResult<Py<PyAny>> {
        let strides = &self.inner.layout().strides;
        let Some(Int(dim)) = dim else { return Ok(Sizes(strides.to_vec()).into_pyobject(py)?.into_any().unbind()) };
        let at = normalize_dim("stride", dim, strides.len()).map_err(to_py)?;
        Ok(strides[at].into_pyobject(py)?.into_any().unbind())
    }
    /// Offset of the first element in the storage that the tensor shares with its views, in elements.
    fn storage_offset(&self) -> usize {
        self.inner.layout().offset
    }
    /// Bytes of an element.
    fn element_size(&self) -> usize {
        self.inner.dtype().size()
    }
    /// Bytes of an element.
    #[getter]
    fn itemsize(&self) -> usize {
        self.inner.dtype().size()
    }
    /// Bytes of all elements.
    #[getter]
    fn nbytes(&self) -> usize {
        self.inner.numel() * self.inner.dtype().size()
    }
    /// Whether the elements are floats, so that derivatives exist.
    fn is_floating_point(&self) -> bool {
        self.inner.dtype().is_float()
    }
}
