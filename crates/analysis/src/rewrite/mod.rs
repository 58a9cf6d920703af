//! Policies rewritten: laid out, expanded, minimised.

mod covered;
mod draft;
mod expand;
mod layout;
mod minimise;

pub use draft::RewriteError;
pub use expand::{Expansion, expand};
pub use layout::format;
pub use minimise::{Minimised, Step, minimise};

pub(crate) use layout::members;
