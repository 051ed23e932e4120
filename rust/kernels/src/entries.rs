//! Entry points that are compiled once, in this crate: plain generic functions would be compiled again, for every
//! instruction set, in every crate that calls them.

/// `entries! { Trait for [types] where T: Bound { signature = body; … } }`: public functions that are generic over `T`,
/// each through a trait whose implementations call the private function `body`. The trait must be a supertrait of the
/// bound.
macro_rules! entries {
    ($trait:ident for [$($t:ident)+] where T: $bound:ident $functions:tt) => {
        $crate::entries::entries! { @public $trait $bound $functions }
        $($crate::entries::entries! { @compiled $trait $t $functions })+
    };
    (@public $trait:ident $bound:ident {
        $($(#[$meta:meta])* pub fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? = $body:ident;)+
    }) => {
        #[doc = concat!("The functions of this module for a type `T`: ", $("`", stringify!($name), "` "),+)]
        #[allow(missing_docs, reason = "the functions are documented")]
        pub trait $trait<T = Self>: $bound {
            $(fn $name($($arg: $ty),*) $(-> $out)?;)+
        }

        $($(#[$meta])*
        #[inline]
        pub fn $name<T: $trait>($($arg: $ty),*) $(-> $out)? {
            <T as $trait<T>>::$name($($arg),*)
        })+
    };
    (@compiled $trait:ident $t:ident {
        $($(#[$meta:meta])* pub fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $out:ty)? = $body:ident;)+
    }) => {
        const _: () = {
            type T = $t;
            impl $trait<T> for $t {
                $(fn $name($($arg: $ty),*) $(-> $out)? {
                    $body($($arg),*)
                })+
            }
        };
    };
}
pub(crate) use entries;
