//! What libtokenizers.a exports: the C functions of daulet/tokenizers and those
//! of llguidance.

/// The source inside the Go module github.com/daulet/tokenizers.
#[path = "src/lib.rs"]
pub mod daulet;

pub use llguidance::ffi::*;
