//! Tensors: shared storage, a layout over it, and the place in the tape that made them.

mod elements;
mod make;
mod number;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Acquire, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rgrad_kernels::buffer::Buffer;

use crate::dtype::DType;
use crate::error::{Result, fail};
use crate::forward::{self, Tangents};
use crate::shape::{Layout, Show};
use crate::tape::{Hooks, Node};

pub(crate) use elements::Reader;
pub use number::{Number, Scalar, result_dtype};

/// Elements shared by a tensor and its views.
#[derive(Debug)]
pub struct Storage {
    buffer: Buffer,
    /// Counts the writes, so that a rule can tell whether what it saved has changed.
    version: AtomicU32,
}

/// Where a tensor's elements are.
#[derive(Debug)]
enum Home {
    /// In its own storage, allocated with it.
    Own(Storage),
    /// In that of the tensor that it is a view of, which is no view itself.
    Of(Arc<Data>),
}

/// What a tensor is apart from its history: elements, type, and for a leaf its gradient.
#[derive(Debug)]
pub struct Data {
    home: Home,
    layout: Layout,
    dtype: DType,
    /// A Python number's: it adapts to the dtype of what it is combined with.
    weak: bool,
    requires_grad: AtomicBool,
    grad: Mutex<Option<Tensor>>,
    hooks: OnceLock<Box<Hooks>>,
}

impl Home {
    /// The storage, if nobody else refers to it or owns its memory.
    fn storage_mut(&mut self) -> Option<&mut Storage> {
        match self {
            Home::Own(storage) => (!storage.buffer.is_foreign()).then_some(storage),
            Home::Of(base) => Arc::get_mut(base)?.home.storage_mut(),
        }
    }
}

impl Data {
    #[inline]
    fn storage(&self) -> &Storage {
        match &self.home {
            Home::Own(storage) => storage,
            Home::Of(base) => base.storage(),
        }
    }
}

/// An n-dimensional array that remembers how it was computed.
///
/// A clone is another handle to the same tensor.
#[derive(Clone)]
pub struct Tensor {
    data: Arc<Data>,
    node: Option<Arc<Node>>,
    tangents: Option<Arc<Tangents>>,
}

impl Tensor {
    // ---- Relatives ----

    /// Another view of the same storage, without history.
    pub(crate) fn with_layout(&self, layout: Layout) -> Self {
        let base = match &self.data.home {
            Home::Own(_) => &self.data,
            Home::Of(base) => base,
        };
        Self::from_parts(Home::Of(base.clone()), layout, self.data.dtype)
    }

    /// The same tensor with this history.
    pub(crate) fn with_node(mut self, node: Arc<Node>) -> Self {
        self.node = Some(node);
        self
    }

    /// A tensor of the same elements that is not part of any graph.
    #[must_use]
    pub fn detach(&self) -> Self {
        self.with_layout(self.data.layout.clone())
    }

    /// A handle to the same data without node and tangents: unlike [`Tensor::detach`] it allocates nothing.
    pub(crate) fn without_history(&self) -> Self {
        Self { data: self.data.clone(), node: None, tangents: None }
    }

    /// The same tensor with these tangents.
    pub(crate) fn with_tangents(mut self, tangents: Option<Arc<Tangents>>) -> Self {
        self.tangents = tangents;
        self
    }

    /// A tensor of the same elements, in the same memory, that is not part of any graph, but has the same tangents.
    #[must_use]
    pub fn untaped(&self) -> Self {
        self.detach().with_tangents(self.tangents.clone())
    }

    /// The same, as a leaf that requires gradients. `TypeError` unless it holds floats.
    pub fn leaf(&self) -> Result<Self> {
        let leaf = self.untaped();
        leaf.set_requires_grad(true)?;
        Ok(leaf)
    }

    // ---- Asking ----

    /// Size of every dimension.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.data.layout.shape
    }

    /// Number of dimensions.
    #[must_use]
    pub fn ndim(&self) -> usize {
        self.data.layout.shape.len()
    }

    /// Number of elements.
    #[must_use]
    pub fn numel(&self) -> usize {
        self.data.layout.numel()
    }

    /// Type of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.data.dtype
    }

    /// Where the elements lie.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.data.layout
    }

    /// Whether the elements lie one after another in row-major order.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.data.layout.is_contiguous()
    }

    /// Whether the dtype gives way to that of others.
    pub(crate) fn is_weak(&self) -> bool {
        self.data.weak
    }

    /// Whether gradients flow to or through this tensor.
    #[inline]
    #[must_use]
    pub fn requires_grad(&self) -> bool {
        self.node.is_some() || self.data.requires_grad.load(Relaxed)
    }

    /// Whether the tensor was made by the user rather than by a taped operation.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        self.node.is_none()
    }

    /// The operation that made this tensor, if it was taped.
    #[must_use]
    pub fn node(&self) -> Option<&Arc<Node>> {
        self.node.as_ref()
    }

    /// Whether forward mode has given this tensor a tangent.
    #[inline]
    #[must_use]
    pub fn has_tangent(&self) -> bool {
        self.tangents.is_some() && self.tangents().is_some()
    }

    pub(crate) fn tangents(&self) -> Option<&Arc<Tangents>> {
        forward::current(self.tangents.as_ref())
    }

    pub(crate) fn hooks(&self) -> &OnceLock<Box<Hooks>> {
        &self.data.hooks
    }

    /// What makes a leaf itself: equal for two handles of one tensor, different for a tensor and its view.
    pub(crate) fn identity(&self) -> usize {
        Arc::as_ptr(&self.data).addr()
    }

    fn storage(&self) -> &Storage {
        self.data.storage()
    }

    /// Whether the elements lie in memory that somebody else lends for reading only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.storage().buffer.is_read_only()
    }

    /// Whether two tensors share their elements' storage.
    #[must_use]
    pub fn shares_storage(&self, other: &Tensor) -> bool {
        std::ptr::eq(self.storage(), other.storage())
    }

    /// What makes a storage itself: equal for a tensor and its views.
    pub(crate) fn storage_identity(&self) -> usize {
        std::ptr::from_ref(self.storage()).addr()
    }

    /// How often the storage was written to.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.storage().version.load(Acquire)
    }

    /// The address of the first element, for handing the memory to other libraries.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.storage().buffer.as_ptr().wrapping_add(self.data.layout.offset * self.dtype().size())
    }

    // ---- Gradients ----

    /// Sets whether gradients are computed for this leaf. `RuntimeError` for a taped result that is asked to forget its
    /// history, `TypeError` for integers.
    pub fn set_requires_grad(&self, on: bool) -> Result<()> {
        if on && !self.dtype().is_float() {
            fail!(Type, "requires_grad: only tensors of floats have gradients, this one holds {}", self.dtype());
        }
        if self.node.is_some() {
            if on {
                return Ok(());
            }
            fail!(Runtime, "requires_grad: this tensor is the result of a taped operation; write x.detach() instead");
        }
        self.data.requires_grad.store(on, Relaxed);
        Ok(())
    }

    /// The gradient accumulated so far.
    #[must_use]
    pub fn grad(&self) -> Option<Tensor> {
        self.data.grad.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the gradient. `ValueError` or `TypeError` unless shape and dtype are this tensor's.
    pub fn set_grad(&self, grad: Option<Tensor>) -> Result<()> {
        if let Some(g) = &grad {
            if g.identity() == self.identity() {
                fail!(Value, "grad: a tensor cannot be its own gradient; write x.grad = x.detach().clone()");
            }
            if g.shape() != self.shape() {
                let (got, want) = (Show(g.shape()), Show(self.shape()));
                fail!(Value, "grad: a tensor of shape {want} cannot have a gradient of shape {got}");
            }
            if g.dtype() != self.dtype() {
                fail!(Type, "grad: a tensor of {} cannot have a gradient of {}", self.dtype(), g.dtype());
            }
        }
        *self.data.grad.lock().unwrap_or_else(PoisonError::into_inner) = grad;
        Ok(())
    }

    /// Lets `f` change the gradient.
    pub(crate) fn with_grad(&self, f: impl FnOnce(&mut Option<Tensor>) -> Result<()>) -> Result<()> {
        f(&mut self.data.grad.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}, {})", Show(self.shape()), self.dtype())
    }
}
