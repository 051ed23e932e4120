//! The order of the elements of rows.

use crate::reduce::Ordered;
use crate::split::split;

/// Elements that are worth a thread: sorting takes some 20 ns for each.
const GRAIN: usize = 4096;

/// For each of `rows` rows of `x`, the places of its first elements in increasing (or decreasing) order, as many as a row of
/// `out` has room for. Equal elements keep their order; -0 equals 0, and NaN is larger than every number.
///
/// # Panics
/// If `x` and `out` are not made of so many rows, those of `out` are longer, or those of `x` have 2³² elements or more.
pub fn order_rows<T: Sortable>(out: &mut [i64], x: &[T], rows: usize, descending: bool) {
    if out.is_empty() {
        return;
    }
    let (len, count) = (x.len() / rows, out.len() / rows);
    assert!(len * rows == x.len() && count * rows == out.len() && count <= len, "every row needs its places");
    assert!(u32::try_from(len).is_ok(), "a row is too long to be sorted");
    split(out, count, GRAIN.div_ceil(len) * count, |start, out| {
        let mut entries = Vec::with_capacity(len);
        for (out, x) in out.chunks_exact_mut(count).zip(x[start / count * len..].chunks_exact(len)) {
            entries.clear();
            entries.extend(x.iter().zip(0..).map(|(x, place)| x.entry(descending, place)));
            if count < len {
                entries.select_nth_unstable(count - 1);
                entries.truncate(count);
            }
            // No two entries are equal, so the order is that of a stable sort.
            entries.sort_unstable();
            for (out, &entry) in out.iter_mut().zip(&entries) {
                *out = T::place(entry);
            }
        }
    });
}

/// Elements whose order and place one integer holds, the place in its lowest bits.
pub trait Sortable: Ordered {
    /// The integer.
    type Entry: Ord + Copy;
    /// That of this element at `place`.
    fn entry(self, descending: bool, place: u32) -> Self::Entry;
    /// The place.
    fn place(entry: Self::Entry) -> i64;
}

macro_rules! sortable {
    ($($t:ident: $signed:ident $unsigned:ident $entry:ident;)*) => {$(
        impl Sortable for $t {
            type Entry = $entry;
            #[inline(always)]
            fn entry(self, descending: bool, place: u32) -> $entry {
                let key = (self.key(false) ^ $signed::MIN) as $unsigned;
                let key = if descending { !key } else { key };
                $entry::from(key) << 32 | $entry::from(place)
            }
            #[inline(always)]
            fn place(entry: $entry) -> i64 {
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
