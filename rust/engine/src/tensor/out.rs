//! Where an operation puts its results.

use rgrad_kernels::simd::Element;
use smallvec::SmallVec;

use super::Tensor;
use crate::dtype::DType;
use crate::error::Result;

/// The results of an operation: new tensors, or tensors that are there already, which a compiled step has ready or which the
/// operation changes in place.
#[derive(Debug)]
pub struct Out<'a> {
    places: Option<&'a [&'a Tensor]>,
    /// How many of the places are filled.
    filled: usize,
    made: SmallVec<[Tensor; 2]>,
}

impl<'a> Out<'a> {
    /// New tensors.
    #[inline]
    #[must_use]
    pub(crate) fn new() -> Self {
        Self { places: None, filled: 0, made: SmallVec::new() }
    }

    /// These tensors. What is to be built is contiguous and has the shape and dtype of its result.
    #[inline]
    pub(crate) fn at(places: &'a [&'a Tensor]) -> Self {
        Self { places: Some(places), filled: 0, made: SmallVec::new() }
    }

    fn next(&mut self) -> Option<&'a Tensor> {
        let place = self.places?[self.filled];
        self.filled += 1;
        Some(place)
    }

    /// The next result, whose elements `fill` writes in row-major order; they are unspecified before.
    #[inline]
    pub(crate) fn build<T: Element>(
        &mut self,
        op: &str,
        shape: &[usize],
        dtype: DType,
        fill: impl FnOnce(&mut [T]) -> Result<()>,
    ) -> Result<()> {
        let Some(place) = self.next() else {
            self.made.push(Tensor::build(op, shape, dtype, fill)?);
            return Ok(());
        };
        debug_assert!(place.shape() == shape && place.dtype() == dtype && place.is_contiguous(), "the place of `{op}`");
        let at = place.layout().offset;
        fill(&mut place.write::<T>()[at..at + place.numel()])
    }

    /// As many results at once, of one dtype.
    pub(crate) fn build_all<T: Element, const N: usize>(
        &mut self,
        op: &str,
        shapes: [&[usize]; N],
        dtype: DType,
        fill: impl FnOnce([&mut [T]; N]) -> Result<()>,
    ) -> Result<()> {
        if self.places.is_none() {
            let mut all: SmallVec<[Tensor; N]> = SmallVec::new();
            for shape in shapes {
                all.push(Tensor::build::<T>(op, shape, dtype, |_| Ok(()))?);
            }
            let mut parts = all.iter_mut().map(|t| t.get_mut::<T>().expect("nobody else has it yet"));
            fill(std::array::from_fn(|_| parts.next().expect("as many as shapes")))?;
            drop(parts);
            self.made.extend(all);
            return Ok(());
        }
        let places: [&Tensor; N] = std::array::from_fn(|_| self.next().expect("there is a place for each"));
        let mut guards = places.map(|t| (t.layout().offset, t.numel(), t.write::<T>()));
        fill(guards.each_mut().map(|(at, n, all)| &mut all[*at..*at + *n]))
    }

    /// The next result, which exists already: a view of an input, or what other operations have computed.
    pub fn give(&mut self, t: Tensor) {
        match self.next() {
            None => self.made.push(t),
            Some(place) if t.shares_storage(place) => {}
            Some(place) => place.take_elements(&t),
        }
    }

    /// Whether a result that not everybody needs is wanted: in a compiled step, if it has a place, and else if `wanted`.
    pub(crate) fn wants(&self, i: usize, wanted: bool) -> bool {
        self.places.map_or(wanted, |places| i < places.len())
    }

    /// The tensors that were there before.
    pub(crate) fn places(&self) -> &'a [&'a Tensor] {
        self.places.unwrap_or_default()
    }

    /// The new tensors.
    pub(crate) fn made(&self) -> &[Tensor] {
        &self.made
    }

    /// The result of an operation that has one, and one for its own rules if it made it.
    #[inline]
    pub(crate) fn result(mut self) -> (Tensor, Option<Tensor>) {
        let extra = if self.made.len() > 1 { self.made.pop() } else { None };
        (self.made.pop().expect("an operation has a result"), extra)
    }

    /// The results of an operation that has so many.
    pub(crate) fn results<const N: usize>(self) -> [Tensor; N] {
        let mut made = self.made.into_iter();
        std::array::from_fn(|_| made.next().expect("an operation has its results"))
    }
}
