//! Sorting of rows.

use std::sync::{Mutex, PoisonError};

use crate::buffer::{AllocError, Buffer};
use crate::reduce::Ordered;
use crate::split::split;

/// Elements that pay for a thread: sorting takes about 5 to 10 ns for each.
const GRAIN: usize = 4096;

/// Elements from which radix sort, with the set-up of its histograms, beats comparison sort.
const RADIX: usize = 2048;
/// Bytes of scratch memory up to which it does: far beyond the caches, each of its scattered writes stalls.
const RADIX_BYTES: usize = 16 << 20;
/// Bits of a digit: few passes, whose histograms and open cache lines still fit L1 and L2.
const DIGIT: u32 = 11;

/// For each of `rows` rows of `x`, the indices of its first elements in increasing (or decreasing) order, as many as
/// the length of a row of `out`. The sort is stable; -0 equals 0, and NaN is larger than every number.
///
/// Fails if there is no memory for a copy of a row for every thread.
///
/// # Panics
/// If `x` or `out` does not consist of `rows` rows, those of `out` are longer, or those of `x` have 2³² elements or
/// more.
pub fn order_rows<T: Sortable>(out: &mut [i64], x: &[T], rows: usize, descending: bool) -> Result<(), AllocError> {
    if out.is_empty() {
        return Ok(());
    }
    let (len, count) = (x.len() / rows, out.len() / rows);
    assert!(len * rows == x.len() && count * rows == out.len() && count <= len, "every row needs its indices");
    assert!(u32::try_from(len).is_ok(), "a row is too long to be sorted");
    let failed = Mutex::new(None);
    split(out, count, GRAIN.div_ceil(len) * count, |start, out| {
        if let Err(error) = order_some(out, &x[start / count * len..], len, count, descending) {
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

/// As [`order_rows`], for rows of `len` elements, on one thread.
fn order_some<T: Sortable>(
    out: &mut [i64],
    x: &[T],
    len: usize,
    count: usize,
    descending: bool,
) -> Result<(), AllocError> {
    // The first few of many are selected by comparisons.
    let bytes = size_of::<T::Entry>() * len;
    let by_digits = count == len && len >= RADIX && 2 * bytes <= RADIX_BYTES;
    let mut scratch = Buffer::new(if by_digits { 2 * bytes } else { bytes })?;
    // SAFETY: entries are integers, for which every bit pattern is valid.
    let (_, entries, _) = unsafe { scratch.get_mut::<u8>().align_to_mut::<T::Entry>() };
    let (entries, spare) = entries.split_at_mut(len);
    for (out, x) in out.chunks_exact_mut(count).zip(x.chunks_exact(len)) {
        for ((entry, x), index) in entries.iter_mut().zip(x).zip(0..) {
            *entry = x.entry(descending, index);
        }
        let ordered = if by_digits {
            T::Entry::sort_by_digits(entries, spare)
        } else {
            if count < len {
                entries.select_nth_unstable(count - 1);
            }
            // Entries are distinct, so the order is that of a stable sort.
            entries[..count].sort_unstable();
            &*entries
        };
        for (out, &entry) in out.iter_mut().zip(ordered) {
            *out = T::index(entry);
        }
    }
    Ok(())
}

/// Elements whose sort key and index fit one integer, the index in its lowest bits.
pub trait Sortable: Ordered {
    /// The integer.
    type Entry: Entry;
    /// The entry of this element at index `index`.
    fn entry(self, descending: bool, index: u32) -> Self::Entry;
    /// The index in an entry.
    fn index(entry: Self::Entry) -> i64;
}

/// An integer that holds a key, above 32 bits for the index.
pub trait Entry: Ord + Copy + Send + Sync {
    /// Radix sort of entries that are in order of their indices; returns the one of the two slices that holds the
    /// result.
    fn sort_by_digits<'a>(entries: &'a mut [Self], spare: &'a mut [Self]) -> &'a mut [Self];
}

macro_rules! entries_of_digits {
    ($($t:ident: $digits:literal;)*) => {$(
        impl Entry for $t {
            fn sort_by_digits<'a>(mut entries: &'a mut [Self], mut spare: &'a mut [Self]) -> &'a mut [Self] {
                const VALUES: usize = 1 << DIGIT;
                let digit = |entry: $t, d: u32| (entry >> (32 + DIGIT * d)) as usize % VALUES;
                let mut counts = vec![[0_u32; VALUES]; $digits];
                for &entry in entries.iter() {
                    for (counts, d) in counts.iter_mut().zip(0..) {
                        counts[digit(entry, d)] += 1;
                    }
                }
                for (counts, d) in counts.iter_mut().zip(0..) {
                    // If all entries share a digit, its pass moves nothing.
                    if counts[digit(entries[0], d)] as usize == entries.len() {
                        continue;
                    }
                    let mut next = 0;
                    for count in counts.iter_mut() {
                        (*count, next) = (next, next + *count);
                    }
                    for &entry in entries.iter() {
                        let index = &mut counts[digit(entry, d)];
                        spare[*index as usize] = entry;
                        *index += 1;
                    }
                    std::mem::swap(&mut entries, &mut spare);
                }
                entries
            }
        }
    )*};
}

entries_of_digits! {
    u64: 3;
    u128: 6;
}

macro_rules! sortable {
    ($($t:ident: $signed:ident $unsigned:ident $entry:ident;)*) => {$(
        impl Sortable for $t {
            type Entry = $entry;
            #[inline(always)]
            fn entry(self, descending: bool, index: u32) -> $entry {
                let key = (self.key(false) ^ $signed::MIN) as $unsigned;
                let key = if descending { !key } else { key };
                $entry::from(key) << 32 | $entry::from(index)
            }
            #[inline(always)]
            fn index(entry: $entry) -> i64 {
                i64::from(entry as u32)
            }
        }
    )*};
}

sortable! {
    f32: i32 u32 u64;
    f64: i64 u64 u128;
    i64: i64 u64 u128;
    i32: i32 u32 u64;
    u8: i32 u32 u64;
}
