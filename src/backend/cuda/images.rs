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

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {} bytes)", self.name, self.room, self.bytes.len())
    }
}
