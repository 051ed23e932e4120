//! Tensors: shared storage, a layout over it, and the place in the tape that made them.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rgrad_kernels::View;
use rgrad_kernels::buffer::{Buffer, Read, Write};
use rgrad_kernels::simd::Element;

use crate::dtype::{DType, match_any};
use crate::error::{Result, fail};
use crate::forward::{self, Tangents};
use crate::ops;
use crate::shape::{Layout, Show, checked_numel};
use crate::tape::{Hooks, Node};

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

/// A rust type that tensors hold, with its dtype.
pub trait Scalar: Element {
    /// The dtype of tensors made from this type.
    const DTYPE: DType;
}

macro_rules! scalar {
    ($($t:ident $d:ident),*) => {$(
        impl Scalar for $t {
            const DTYPE: DType = DType::$d;
        }
    )*};
}
scalar!(f32 Float32, f64 Float64, i64 Int64, i32 Int32, u8 UInt8);

/// A number from outside, before it has a dtype.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
}

impl Number {
    fn cast<T: Element>(self, f: impl Fn(f64) -> T, i: impl Fn(i64) -> T) -> T {
        match self {
            Number::Bool(b) => i(i64::from(b)),
            Number::Int(v) => i(v),
            Number::Float(v) => f(v),
        }
    }
}

impl Tensor {
    // ---- Making ----

    /// A tensor over `buffer`, which holds its elements in row-major order.
    pub(crate) fn from_buffer(buffer: Buffer, shape: &[usize], dtype: DType) -> Self {
        let storage = Storage { buffer, version: AtomicU32::new(0) };
        Self::from_parts(Home::Own(storage), Layout::contiguous(shape), dtype)
    }

    fn from_parts(home: Home, layout: Layout, dtype: DType) -> Self {
        let data = Data {
            home,
            layout,
            dtype,
            weak: false,
            requires_grad: AtomicBool::new(false),
            grad: Mutex::new(None),
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

    /// A tensor over memory that somebody else owns.
    ///
    /// # Panics
    /// If `buffer` is too small for the layout.
    #[must_use]
    pub fn from_foreign(buffer: Buffer, layout: Layout, dtype: DType) -> Self {
        let last: usize = layout.shape.iter().zip(&layout.strides).map(|(&n, &s)| n.saturating_sub(1) * s).sum();
        assert!(layout.numel() == 0 || (layout.offset + last + 1) * dtype.size() <= buffer.bytes());
        let storage = Storage { buffer, version: AtomicU32::new(0) };
        Self::from_parts(Home::Own(storage), layout, dtype)
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

    /// A 0-d tensor of a Python number with the dtype that it and this tensor have together, as [`result_dtype`] says.
    pub fn number_beside(&self, value: Number) -> Result<Self> {
        let dtype = match value {
            Number::Float(_) if !self.dtype().is_float() => DType::default_float(),
            Number::Int(_) if self.dtype() == DType::Bool => DType::Int64,
            _ => self.dtype(),
        };
        Self::full(&[], value, dtype)
    }

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
    pub(crate) fn version(&self) -> u32 {
        self.storage().version.load(Acquire)
    }

    /// The address of the first element, for handing the memory to other libraries.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.storage().buffer.as_ptr().wrapping_add(self.data.layout.offset * self.dtype().size())
    }

    // ---- Elements ----

    /// The elements for reading. `T` must be the dtype's type.
    pub(crate) fn read<T: Element>(&self) -> Reader<'_, T> {
        debug_assert_eq!(self.dtype().size(), size_of::<T>());
        Reader { guard: self.storage().buffer.read(), layout: &self.data.layout }
    }

    /// The whole storage for writing; counts as a change. The tensor's first element is at `layout().offset`.
    pub(crate) fn write<T: Element>(&self) -> Write<'_, T> {
        debug_assert_eq!(self.dtype().size(), size_of::<T>());
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
        let t = ops::contiguous(self)?;
        Ok(t.read::<T>().slice().to_vec())
    }

    /// The only element. `ValueError` if there are more, or none.
    pub fn item(&self) -> Result<Number> {
        if self.numel() != 1 {
            fail!(Value, "item: only a tensor of one element is a number, this one has shape {}", Show(self.shape()));
        }
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
            let what =
                if self.is_leaf() { "a leaf that requires gradients" } else { "the result of a taped operation" };
            fail!(
                Runtime,
                "cannot write in place to {what}: its derivative would be lost. Make a new tensor instead, with \
                 index_put, scatter, masked_fill, rg.where or rg.cat, or write inside `with rg.no_grad():`"
            );
        }
        if value.requires_grad() {
            fail!(
                Runtime,
                "cannot write a tensor that requires gradients into another one in place: the gradient could not flow \
                 back. Make a new tensor instead, with index_put, scatter, masked_fill, rg.where or rg.cat, or write \
                 value.detach()"
            );
        }
        Ok(())
    }

    /// Refuses to write to elements that share memory.
    pub(crate) fn check_distinct(&self) -> Result<()> {
        if self.shape().iter().zip(&self.layout().strides).any(|(&n, &s)| n > 1 && s == 0) {
            fail!(
                Runtime,
                "cannot write in place to an expanded tensor: its elements share memory; call clone() first"
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

/// The dtype that an operation on these tensors computes in: [`DType::promote`] over all, where a Python number counts
/// only if it is of a higher kind (bool, integer, float) than every tensor, and then as `int64` or the default float.
#[must_use]
pub fn result_dtype(tensors: &[&Tensor]) -> DType {
    let kind = |d: DType| if d.is_float() { 2 } else { u8::from(d != DType::Bool) };
    let strong = tensors.iter().filter(|t| !t.is_weak()).map(|t| t.dtype()).max();
    let weak = tensors.iter().filter(|t| t.is_weak()).map(|t| t.dtype()).max();
    let weak = weak.map(|d| if d.is_float() { DType::default_float() } else { d });
    match (strong, weak) {
        (Some(s), Some(w)) if kind(w) > kind(s) => w,
        (Some(s), _) => s,
        (None, Some(w)) => w,
        (None, None) => DType::default_float(),
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}, {})", Show(self.shape()), self.dtype())
    }
}
