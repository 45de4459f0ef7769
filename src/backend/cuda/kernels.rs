//! From a kernel's name to its loaded function. A fatbin is loaded when the first of its room's kernels is launched, and stays.

use super::driver::{Context, Fault, Function, Module};
use super::images::Image;
use crate::backend::Launch;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Dynamic shared memory that a kernel may have without asking.
const SHARED_FREELY: u32 = 48 * 1024;

/// The loaded modules and functions of one context.
pub struct Kernels {
    images: &'static [Image],
    modules: BTreeMap<&'static str, Module>,
    /// By room and entry, with the dynamic shared memory that is allowed so far.
    functions: BTreeMap<(&'static str, &'static str), (Function, u32)>,
}

impl Kernels {
    pub fn new(images: &'static [Image]) -> Self {
        Kernels { images, modules: BTreeMap::new(), functions: BTreeMap::new() }
    }

    /// The function of a launch, allowed to use the shared memory that the launch wants.
    ///
    /// # Errors
    /// A phrase: no such kernel in this build, or what the driver said while loading.
    pub fn function(&mut self, context: &Arc<Context>, launch: &Launch) -> Result<Function, String> {
        let key = (launch.kernel.room, launch.kernel.entry);
        let (function, allowed) = match self.functions.get(&key) {
            Some(found) => *found,
            None => (self.find(context, key.0, key.1)?, SHARED_FREELY),
        };
        if launch.shared > allowed {
            let refused = |fault| format!("{} bytes of shared memory are refused: {fault}", launch.shared);
            function.allow_shared(launch.shared).map_err(refused)?;
        }
        self.functions.insert(key, (function, allowed.max(launch.shared)));
        Ok(function)
    }

    fn find(&mut self, context: &Arc<Context>, room: &str, entry: &str) -> Result<Function, String> {
        let said = |name: &str| {
            let name = name.to_owned();
            move |fault: Fault| format!("loading {name}: {fault}")
        };
        for image in self.images.iter().filter(|image| image.room == room) {
            if !self.modules.contains_key(image.name) {
                let module = Module::load(context, image.bytes).map_err(said(image.name))?;
                self.modules.insert(image.name, module);
            }
            let Some(module) = self.modules.get(image.name) else { continue };
            if let Some(function) = module.function(entry).map_err(said(image.name))? {
                return Ok(function);
            }
        }
        Err("this build has no such CUDA kernel".into())
    }
}
