//! The kernels' machine code, embedded by `build.rs`: one fatbin per `.cu`, each with code for every architecture.

/// A fatbin and where it came from.
#[derive(Clone, Copy)]
pub struct Image {
    /// The room of its kernels, as [`crate::backend::Kernel::room`] names it.
    pub room: &'static str,
    /// Its file below `kernels/`, without the ending: `conv.forward`.
    pub name: &'static str,
    pub bytes: &'static [u8],
}

/// Bytes at the alignment that the driver reads them with.
#[repr(C, align(64))]
#[allow(dead_code, reason = "a build without an nvcc embeds nothing")]
struct Aligned<T: ?Sized>(T);

include!(concat!(env!("OUT_DIR"), "/fatbins.rs"));

/// Every kernel of this build; empty where it was built without an nvcc.
pub fn embedded() -> &'static [Image] {
    EMBEDDED
}

/// The machine code that a driver picks for a compute capability: of its own major version the nearest minor one below (one with an `a`
/// runs on exactly its own), else what it compiles from the PTX.
pub fn code_for((major, minor): (i32, i32)) -> String {
    let mut own = ARCHITECTURES.split_whitespace().filter(|name| {
        let digits = name.trim_end_matches('a');
        let Some((of_major, of_minor)) = digits.split_at_checked(digits.len().saturating_sub(1)) else { return false };
        let of_minor = of_minor.parse().unwrap_or(i32::MAX);
        let runs = if digits.len() < name.len() { of_minor == minor } else { of_minor <= minor };
        of_major.parse() == Ok(major) && runs
    });
    let first = ARCHITECTURES.split_whitespace().next().unwrap_or("nothing");
    own.next_back().map_or_else(|| format!("compute_{first}, compiled by the driver"), |name| format!("sm_{name}"))
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {} bytes)", self.name, self.room, self.bytes.len())
    }
}
