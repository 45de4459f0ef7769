//! Zeroed memory straight from the system, in pages of 2 MiB where it has them: at batch 1 a network reads each of its weights once, and with
//! pages of 4 KiB the processor looks for them as long as it reads them. Knows nothing of what is kept there.

use crate::error::{Error, Result};
use memmap2::MmapMut;
use std::alloc::{Layout, handle_alloc_error};

/// Some bytes, which begin at a page; none by default.
#[derive(Default)]
pub(super) struct Pages(Option<MmapMut>);

impl Pages {
    /// At least one byte.
    ///
    /// # Errors
    /// `Device` where the system has not so much.
    pub fn zeroed(bytes: usize) -> Result<Pages> {
        let map = MmapMut::map_anon(bytes.max(1));
        let map = map.map_err(|_| Error::Device(format!("cpu: cannot get {} MiB of memory", bytes >> 20)))?;
        // Only a wish: small pages hold the same numbers.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(Pages(Some(map)))
    }

    /// As [`Pages::zeroed`] for work that cannot fail: ends the program as every collection does where there is no memory.
    pub fn grown(bytes: usize) -> Pages {
        Pages::zeroed(bytes)
            .unwrap_or_else(|_| handle_alloc_error(Layout::array::<u8>(bytes).unwrap_or(Layout::new::<u8>())))
    }

    pub fn bytes(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().unwrap_or_default()
    }
}
