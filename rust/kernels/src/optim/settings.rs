//! The settings of update rules, by their names.

/// Finite and at least 0.
pub type NotNegative = f64;
/// At least 0 and less than 1.
pub type Fraction = f64;
/// Two fractions.
pub type Fractions = [f64; 2];
/// On or off.
pub type Flag = bool;

/// A setting of a rule, with the values that it may have.
#[derive(Debug)]
pub enum Setting<'a> {
    /// Finite and at least 0.
    NotNegative(&'a mut NotNegative),
    /// At least 0 and less than 1.
    Fraction(&'a mut Fraction),
    /// Two fractions.
    Fractions(&'a mut Fractions),
    /// On or off.
    Flag(&'a mut Flag),
}

/// Settings that are found by their names.
pub trait Settings {
    /// The names of all settings.
    const SETTINGS: &'static [&'static str];
    /// The setting of this name, if there is one.
    fn setting(&mut self, name: &str) -> Option<Setting<'_>>;
}

/// The struct of a rule's settings: each has a name and one of the types above.
macro_rules! settings {
    ($(#[$about:meta])* $rule:ident $(<$flag:ident>)? { $($(#[$doc:meta])* $name:ident: $kind:ident,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, PartialEq, Debug, Default)]
        pub struct $rule $(<const $flag: bool>)? {
            $($(#[$doc])* pub $name: crate::optim::settings::$kind,)+
        }

        impl $(<const $flag: bool>)? crate::optim::Settings for $rule $(<$flag>)? {
            const SETTINGS: &'static [&'static str] = &[$(stringify!($name)),+];

            fn setting(&mut self, name: &str) -> Option<crate::optim::Setting<'_>> {
                match name {
                    $(stringify!($name) => Some(crate::optim::Setting::$kind(&mut self.$name)),)+
                    _ => None,
                }
            }
        }
    };
}
pub(super) use settings;
