//! Tensors: shared storage, a layout over it, and the place in the tape that made them.

mod elements;
mod gradient;
mod make;
mod node;
mod number;
mod op;
mod out;
mod tangents;
pub mod watch;
mod weak;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Acquire, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use rgrad_kernels::buffer::Buffer;
use rgrad_kernels::lock::Lock;

use crate::dtype::DType;
use crate::error::Result;
use crate::shape::{Layout, Show};

pub(crate) use elements::Reader;
pub use make::room_for_tensors;
pub(crate) use make::scratch;
pub(crate) use node::{Edge, Hooks, Key};
pub use node::{Hook, Node, Registered, register_hook, retain_grad};
pub use number::{Number, Scalar, result_dtype};
pub use op::{Foreign, Grads, Kind, Op, Saved, Saves, Want};
pub use out::Out;
pub use tangents::Level;
pub(crate) use tangents::Tangents;
pub(crate) use weak::Weak;

/// Elements shared by a tensor and its views.
#[derive(Debug)]
pub struct Storage {
    buffer: Buffer,
    /// Counts the writes, so that a rule can tell whether what it saved has changed.
    version: AtomicU32,
    /// What recordings of compiled steps have noted: see [`Mark`].
    mark: AtomicU64,
    /// Whether other libraries know the address of the elements.
    lent: AtomicBool,
}

/// What a recording knows about a storage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mark {
    /// Nothing: it existed before.
    None,
    /// It was made during this recording, by something that the recording did not see.
    Built {
        /// The recording's number.
        recording: u32,
    },
    /// It is this cell of this recording's program.
    Cell {
        /// The recording's number.
        recording: u32,
        /// The cell's number.
        cell: usize,
    },
}

/// The storage of a tensor's elements.
#[derive(Debug)]
enum Backing {
    /// Its own storage, allocated with it.
    Own(Storage),
    /// That of the base tensor, which is not a view itself.
    Of(Arc<Data>),
}

/// What a tensor is apart from its history: elements, type, and for a leaf its gradient.
#[derive(Debug)]
pub struct Data {
    backing: Backing,
    layout: Layout,
    dtype: DType,
    /// A Python number: its dtype adapts to that of other operands.
    weak: bool,
    /// The recording of a compiled step in which it was made, or 0.
    recording: u32,
    requires_grad: AtomicBool,
    grad: Lock<Option<Tensor>>,
    hooks: OnceLock<Arc<Hooks>>,
}

impl Backing {
    /// The storage, if nobody else refers to it or owns its memory.
    fn storage_mut(&mut self) -> Option<&mut Storage> {
        match self {
            Backing::Own(storage) => (!storage.buffer.is_foreign()).then_some(storage),
            Backing::Of(base) => Arc::get_mut(base)?.backing.storage_mut(),
        }
    }
}

impl Data {
    #[inline]
    fn storage(&self) -> &Storage {
        match &self.backing {
            Backing::Own(storage) => storage,
            Backing::Of(base) => base.storage(),
        }
    }
}

/// Whether two ranges of addresses have one in common.
pub(crate) fn meet(x: &Range<usize>, y: &Range<usize>) -> bool {
    x.start < y.end && y.start < x.end
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

    /// What a view of this tensor is a view of.
    fn root(&self) -> &Arc<Data> {
        match &self.data.backing {
            Backing::Own(_) => &self.data,
            Backing::Of(base) => base,
        }
    }

    /// Another view of the same storage, without history.
    pub(crate) fn with_layout(&self, layout: Layout) -> Self {
        self.with_layout_as(layout, self.data.dtype)
    }

    /// Makes a view one of the storage of `x`, from its element `offset` on: in place, unless there are other handles to it.
    pub(crate) fn move_to(&mut self, x: &Tensor, offset: usize) {
        match Arc::get_mut(&mut self.data) {
            Some(data) => {
                data.backing = Backing::Of(x.root().clone());
                data.layout.offset = offset;
            }
            None => *self = x.with_layout(Layout { offset, ..self.data.layout.clone() }),
        }
    }

    /// A tensor of another dtype over the same storage, whose bytes are its elements.
    pub(crate) fn with_layout_as(&self, layout: Layout, dtype: DType) -> Self {
        Self::from_parts(Backing::Of(self.root().clone()), layout, dtype)
    }

    /// The tensor that the storage was made with: all of its elements, without history.
    pub(crate) fn whole(&self) -> Self {
        match &self.data.backing {
            Backing::Own(_) => self.without_history(),
            Backing::Of(base) => Self { data: base.clone(), node: None, tangents: None },
        }
    }

    /// The tensor that this one is a view of.
    pub(crate) fn base(&self) -> Option<Self> {
        match &self.data.backing {
            Backing::Own(_) => None,
            Backing::Of(base) => Some(Self { data: base.clone(), node: None, tangents: None }),
        }
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

    // ---- Queries ----

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

    /// The layout of the elements.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.data.layout
    }

    /// Whether the elements are contiguous in row-major order.
    #[must_use]
    pub fn is_contiguous(&self) -> bool {
        self.data.layout.is_contiguous()
    }

    /// Whether the dtype gives way to that of others.
    #[must_use]
    pub fn is_weak(&self) -> bool {
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
        tangents::current(self.tangents.as_ref())
    }

    pub(crate) fn hooks(&self) -> &OnceLock<Arc<Hooks>> {
        &self.data.hooks
    }

    /// The identity of a leaf: equal for two handles of one tensor, different for a tensor and its view.
    #[must_use]
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.data).addr()
    }

    fn storage(&self) -> &Storage {
        self.data.storage()
    }

    /// Whether the elements are in foreign memory.
    pub(crate) fn is_foreign(&self) -> bool {
        self.storage().buffer.is_foreign()
    }

    /// Whether others may write to the elements without a new version: they own the memory, or know its address.
    pub(crate) fn is_lent(&self) -> bool {
        self.storage().lent.load(Relaxed) || self.is_foreign()
    }

    /// Whether the elements are in foreign memory that is read-only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.storage().buffer.is_read_only()
    }

    /// Whether two handles are of one tensor.
    #[must_use]
    pub fn is_same(&self, other: &Tensor) -> bool {
        self.identity() == other.identity()
    }

    /// Whether two tensors share their elements' storage.
    #[must_use]
    pub fn shares_storage(&self, other: &Tensor) -> bool {
        std::ptr::eq(self.storage(), other.storage())
    }

    /// The addresses from the first element's to behind the last one's. What shares memory is found by them, for one array of
    /// another library may be the memory of several storages.
    pub(crate) fn reach(&self) -> Range<usize> {
        let (start, size) = (self.storage().buffer.as_ptr().addr(), self.dtype().size());
        start + self.layout().offset * size..start + self.layout().end() * size
    }

    /// Whether elements of two tensors may lie in the same memory.
    pub(crate) fn overlaps(&self, other: &Tensor) -> bool {
        meet(&self.reach(), &other.reach())
    }

    /// The identity of a storage: equal for a tensor and its views.
    pub(crate) fn storage_identity(&self) -> usize {
        std::ptr::from_ref(self.storage()).addr()
    }

    /// The recording in which this tensor was made, though perhaps as a view of what was there before; or 0.
    pub(crate) fn recording(&self) -> u32 {
        self.data.recording
    }

    /// What a recording has noted of the storage.
    pub(crate) fn mark(&self) -> Mark {
        let mark = self.storage().mark.load(Relaxed);
        let (recording, cell) = ((mark >> 32) as u32, mark as u32);
        match (recording, cell) {
            (0, _) => Mark::None,
            (recording, 0) => Mark::Built { recording },
            (recording, cell) => Mark::Cell { recording, cell: cell as usize - 1 },
        }
    }

    pub(crate) fn set_mark(&self, mark: Mark) {
        let word = match mark {
            Mark::None => 0,
            Mark::Built { recording } => u64::from(recording) << 32,
            Mark::Cell { recording, cell } => u64::from(recording) << 32 | (cell as u64 + 1),
        };
        self.storage().mark.store(word, Relaxed);
    }

    /// How many handles there are to the tensor's data, views of them included.
    pub(crate) fn handles(&self) -> usize {
        Arc::strong_count(&self.data)
    }

    /// Whether nobody else refers to the elements, as far as handles tell: a node's saved tensor counts, a reader does not.
    pub(crate) fn is_sole(&self) -> bool {
        let own = |data: &Arc<Data>| Arc::strong_count(data) == 1 && !data.storage().buffer.is_foreign();
        own(&self.data)
            && match &self.data.backing {
                Backing::Own(_) => true,
                Backing::Of(base) => own(base),
            }
    }

    /// How often the storage was written to.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.storage().version.load(Acquire)
    }

    /// The address of the first element, for handing the memory to other libraries.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.storage().lent.store(true, Relaxed);
        self.storage().buffer.as_ptr().wrapping_add(self.data.layout.offset * self.dtype().size())
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor({}, {})", Show(self.shape()), self.dtype())
    }
}
