//! All update rules, as one type.

use super::{Adadelta, Adagrad, Adam, AdamW, Counts, MAX_STATES, NAdam, Pass, RmsProp, Rule, Setting, Settings, Sgd};
use crate::simd::Real;

/// The rules by the names that users and messages have for them.
macro_rules! rules {
    ($($name:ident($rule:ty),)+) => {
        /// An optimizer's update rule, with its settings.
        #[derive(Clone, Copy, PartialEq, Debug)]
        #[allow(missing_docs, clippy::upper_case_acronyms, reason = "the names of the optimizers")]
        pub enum AnyRule {
            $($name($rule),)+
        }

        $(impl From<$rule> for AnyRule {
            fn from(rule: $rule) -> Self {
                Self::$name(rule)
            }
        })+

        /// What one step computes with.
        #[derive(Clone, Copy)]
        #[allow(clippy::upper_case_acronyms, reason = "the names of the optimizers")]
        enum Factors {
            $($name(<$rule as Rule>::Ready),)+
        }

        impl AnyRule {
            /// The rule of this name, with all settings 0 or off.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name(Default::default())),)+
                    _ => None,
                }
            }

            /// Its name.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$name(_) => stringify!($name),)+ }
            }

            /// The names of its settings.
            #[must_use]
            pub fn settings(&self) -> &'static [&'static str] {
                match self { $(Self::$name(_) => <$rule>::SETTINGS,)+ }
            }

            /// The setting of this name, if it has one.
            pub fn setting(&mut self, name: &str) -> Option<Setting<'_>> {
                match self { $(Self::$name(rule) => rule.setting(name),)+ }
            }

            /// Why these settings do not go together, if they do not.
            #[must_use]
            pub fn conflict(&self) -> Option<&'static str> {
                match self { $(Self::$name(rule) => rule.conflict(),)+ }
            }

            /// The names of the state tensors that a parameter may have.
            #[must_use]
            pub fn all_states(&self) -> &'static [&'static str] {
                match self { $(Self::$name(_) => <$rule>::STATES,)+ }
            }

            /// The names of those that these settings need.
            #[must_use]
            pub fn states(&self) -> &'static [&'static str] {
                match self { $(Self::$name(rule) => rule.states(),)+ }
            }

            /// The names of the state numbers of a parameter.
            #[must_use]
            pub fn counts(&self) -> &'static [&'static str] {
                match self { $(Self::$name(_) => <$rule>::COUNTS,)+ }
            }

            /// The initial value of the state tensors.
            #[must_use]
            pub fn initial(&self) -> f64 {
                match self { $(Self::$name(rule) => rule.initial(),)+ }
            }

            /// The state numbers after the next step.
            #[must_use]
            pub fn count(&self, before: Counts) -> Counts {
                match self { $(Self::$name(rule) => rule.count(before),)+ }
            }

            /// Prepares the step that `counts` includes. `fresh` says that the state holds initial values.
            ///
            /// # Panics
            /// If no step is counted.
            #[must_use]
            pub fn ready(&self, counts: Counts, fresh: bool) -> Ready {
                assert!(counts.step > 0, "steps are counted from 1");
                let (factors, grain) = match self {
                    $(Self::$name(rule) => (Factors::$name(rule.ready(counts, fresh)), <$rule>::GRAIN),)+
                };
                Ready { factors, kept: self.states().len(), grain }
            }
        }

        impl Ready {
            /// Updates slices of equal length.
            pub(super) fn run<T: Real>(self, p: &mut [T], g: &[T], state: [&mut [T]; MAX_STATES]) {
                match self.factors {
                    $(Factors::$name(ready) => T::run(Pass::<T, $rule> { p, g, state, ready }),)+
                }
            }
        }
    };
}

rules! {
    SGD(Sgd),
    Adam(Adam<false>),
    AdamW(AdamW),
    NAdam(NAdam),
    RMSprop(RmsProp),
    Adagrad(Adagrad),
    Adadelta(Adadelta),
}

/// A rule that is prepared for one step.
#[derive(Clone, Copy)]
pub struct Ready {
    factors: Factors,
    /// How many state tensors a parameter has.
    pub(super) kept: usize,
    /// Elements that pay for a thread.
    pub(super) grain: usize,
}

impl Ready {
    /// How many state tensors a parameter has.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.kept
    }
}
