//! Named ranges for profilers. The library comes with a profiler or a toolkit and is looked for at run time; where it is absent, which
//! is usual, a range is nothing.

use std::ffi::{CString, c_char, c_int};
use std::sync::OnceLock;

struct Nvtx {
    /// # Safety
    /// The text must end with a zero.
    push: unsafe extern "C" fn(*const c_char) -> c_int,
    /// # Safety
    /// None but that this thread has a range open.
    pop: unsafe extern "C" fn() -> c_int,
}

/// Looked for once in the life of the process, as the loader itself would.
fn nvtx() -> Option<&'static Nvtx> {
    static FOUND: OnceLock<Option<Nvtx>> = OnceLock::new();
    FOUND.get_or_init(find).as_ref()
}

fn find() -> Option<Nvtx> {
    // SAFETY: NVIDIA's own library, whose initialisers do nothing but look for a profiler.
    let library: &'static libloading::Library =
        Box::leak(Box::new(unsafe { libloading::Library::new("libnvToolsExt.so.1") }.ok()?));
    // SAFETY: the signature of NVTX 2 and 3; the library is never unloaded.
    let push = *unsafe { library.get(b"nvtxRangePushA\0") }.ok()?;
    // SAFETY: as above.
    let pop = *unsafe { library.get(b"nvtxRangePop\0") }.ok()?;
    Some(Nvtx { push, pop })
}

/// A range of this thread's driver calls, until it is dropped.
pub struct Range {
    nvtx: Option<&'static Nvtx>,
}

impl Range {
    pub fn new(name: &str) -> Self {
        let nvtx = nvtx().filter(|nvtx| {
            let Ok(name) = CString::new(name) else { return false };
            // SAFETY: the text lives through the call, in which it is copied.
            unsafe { (nvtx.push)(name.as_ptr()) >= 0 }
        });
        Range { nvtx }
    }
}

impl Drop for Range {
    fn drop(&mut self) {
        if let Some(nvtx) = self.nvtx {
            // SAFETY: ends the innermost range of this thread, which is this one.
            unsafe { (nvtx.pop)() };
        }
    }
}
