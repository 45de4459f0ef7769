//! The CUDA driver as owned things: context, stream, event, memory, module, graph. Each is given back when it is dropped, after
//! everything that was made from it. Knows no launch, no plan and no kernel; says what failed, as a short phrase.
//!
//! All of it goes through the thin layer of `cudarc`, whose functions load the driver library at the first call and panic
//! where there is none; so [`Context::open`] looks for the library and at the driver's version before anything else.

use cudarc::driver::DriverError;
use cudarc::driver::{result, sys};
use std::ffi::{CString, c_void};
use std::sync::Arc;

/// What failed: the driver's own name for it and its sentence.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fault(DriverError);

impl Fault {
    pub fn out_of_memory(&self) -> bool {
        self.0.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = |text: Result<&std::ffi::CStr, DriverError>| text.map(|text| text.to_string_lossy().into_owned());
        match (word(self.0.error_name()), word(self.0.error_string())) {
            (Ok(name), Ok(sentence)) => write!(f, "{sentence} ({name})"),
            _ => write!(f, "driver error {}", self.0.0 as u32),
        }
    }
}

impl From<DriverError> for Fault {
    fn from(error: DriverError) -> Self {
        Fault(error)
    }
}

/// What the driver can fail at.
pub type Outcome<T> = Result<T, Fault>;

/// The first driver of the CUDA 13 family, as `cuDriverGetVersion` counts.
const OLDEST_DRIVER: i32 = 13_000;

/// The oldest architecture that the kernels are built for.
const OLDEST_CAPABILITY: (i32, i32) = (8, 0);

/// A device's primary context.
pub struct Context {
    device: sys::CUdevice,
    handle: sys::CUcontext,
    pub properties: Properties,
}

/// What a device is.
#[derive(Clone, Debug)]
pub struct Properties {
    pub name: String,
    /// Compute capability.
    pub capability: (i32, i32),
    pub memory: usize,
    /// As in 13.0.
    pub driver: String,
    pub multiprocessors: usize,
}

// SAFETY: a context may be made current on any thread, and every use goes through `bind`.
unsafe impl Send for Context {}
// SAFETY: the driver's functions are safe to call from several threads at once.
unsafe impl Sync for Context {}

/// Whether there is a driver library and how many devices it sees; a phrase that says what is missing otherwise.
pub fn devices() -> Result<usize, String> {
    // SAFETY: this only asks the dynamic loader for the library.
    if !unsafe { sys::is_culib_present() } {
        return Err("there is no NVIDIA driver on this machine (libcuda.so.1)".into());
    }
    let mut version = 0;
    // SAFETY: the library is there, the function as old as the API, and the pointer lives through the call.
    unsafe { sys::cuDriverGetVersion(&mut version) }.result().map_err(|fault| Fault(fault).to_string())?;
    if version < OLDEST_DRIVER {
        let (major, minor) = (version / 1000, version % 1000 / 10);
        return Err(format!(
            "the NVIDIA driver is for CUDA {major}.{minor}; the kernels need 13.0 (driver 580) or newer"
        ));
    }
    result::init().map_err(|fault| format!("the NVIDIA driver finds no usable GPU: {}", Fault(fault)))?;
    let count = result::device::get_count().map_err(|fault| Fault(fault).to_string())?;
    if count < 1 { Err("the NVIDIA driver finds no GPU".into()) } else { Ok(count as usize) }
}

impl Context {
    /// Opens a device.
    ///
    /// # Errors
    /// A phrase: no driver, an old one, no such device, a device older than the kernels.
    pub fn open(ordinal: usize) -> Result<Arc<Self>, String> {
        let count = devices()?;
        if ordinal >= count {
            let there = if count == 1 { "only cuda:0".to_owned() } else { format!("cuda:0 to cuda:{}", count - 1) };
            return Err(format!("there is no such device, {there}"));
        }
        let said = |fault: DriverError| Fault(fault).to_string();
        let device = result::device::get(ordinal as i32).map_err(said)?;
        let properties = Properties::of(device).map_err(|fault| fault.to_string())?;
        if properties.capability < OLDEST_CAPABILITY {
            let (major, minor) = properties.capability;
            return Err(format!("{} has compute capability {major}.{minor}; the kernels need 8.0", properties.name));
        }
        // SAFETY: the device is one that the driver named.
        let handle = unsafe { result::primary_ctx::retain(device) }.map_err(said)?;
        let context = Context { device, handle, properties };
        context.bind().map_err(|fault| fault.to_string())?;
        Ok(Arc::new(context))
    }

    /// Makes the context current on this thread.
    pub fn bind(&self) -> Outcome<()> {
        // SAFETY: the context is retained until it is dropped.
        Ok(unsafe { result::ctx::set_current(self.handle) }?)
    }

    /// Free and total bytes of device memory.
    pub fn memory(&self) -> Outcome<(usize, usize)> {
        self.bind()?;
        Ok(result::mem_get_info()?)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: everything made from this context holds it, so nothing is left. An error at the end has nobody to tell.
        let _ = unsafe { result::primary_ctx::release(self.device) };
    }
}

impl Properties {
    fn of(device: sys::CUdevice) -> Outcome<Self> {
        use sys::CUdevice_attribute_enum as Attribute;
        // SAFETY: the device is one that the driver named.
        let attribute = |name| unsafe { result::device::get_attribute(device, name) };
        let mut version = 0;
        // SAFETY: the pointer lives through the call.
        unsafe { sys::cuDriverGetVersion(&mut version) }.result()?;
        Ok(Properties {
            name: result::device::get_name(device)?,
            capability: (
                attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
                attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
            ),
            // SAFETY: as above.
            memory: unsafe { result::device::total_mem(device) }?,
            driver: format!("{}.{}", version / 1000, version % 1000 / 10),
            multiprocessors: attribute(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?.max(0) as usize,
        })
    }
}

/// A queue of work that runs in order.
pub struct Stream {
    handle: sys::CUstream,
    context: Arc<Context>,
}

// SAFETY: a stream may be used from any thread on which its context is current; every use binds it first.
unsafe impl Send for Stream {}
// SAFETY: as above; the driver serialises calls on one stream.
unsafe impl Sync for Stream {}

impl Stream {
    pub fn new(context: &Arc<Context>) -> Outcome<Self> {
        context.bind()?;
        let handle = result::stream::create(result::stream::StreamKind::NonBlocking)?;
        Ok(Stream { handle, context: Arc::clone(context) })
    }

    /// Waits until all work so far is done; tells what went wrong in it.
    pub fn synchronize(&self) -> Outcome<()> {
        self.context.bind()?;
        // SAFETY: the stream lives.
        Ok(unsafe { result::stream::synchronize(self.handle) }?)
    }

    /// Later work of this stream begins after `event`.
    pub fn wait(&self, event: &Event) -> Outcome<()> {
        let flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
        // SAFETY: both live.
        Ok(unsafe { result::stream::wait_event(self.handle, event.handle, flags) }?)
    }

    /// Begins to record work instead of running it.
    pub fn begin_capture(&self) -> Outcome<()> {
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL;
        // SAFETY: the stream lives and is not the default one.
        Ok(unsafe { result::stream::begin_capture(self.handle, mode) }?)
    }

    /// Ends recording and makes the record executable.
    pub fn end_capture(&self) -> Outcome<Graph> {
        // SAFETY: the stream is capturing; the graph that comes back is ours to destroy.
        unsafe {
            let graph = result::stream::end_capture(self.handle)?;
            let executable = result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0));
            result::graph::destroy(graph)?;
            Ok(Graph { handle: executable?, context: Arc::clone(&self.context) })
        }
    }

    /// Ends recording and throws the record away: what is left to do after a launch was refused while capturing.
    pub fn abandon_capture(&self) {
        // SAFETY: the stream is capturing; a graph that comes back is ours to destroy. The first error is the one to tell.
        unsafe {
            if let Ok(graph) = result::stream::end_capture(self.handle) {
                let _ = result::graph::destroy(graph);
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.context.bind();
        // SAFETY: nobody else has the handle; the driver finishes the stream's work by itself.
        let _ = unsafe { result::stream::destroy(self.handle) };
    }
}

/// A point in a stream.
pub struct Event {
    handle: sys::CUevent,
    context: Arc<Context>,
}

// SAFETY: as for `Stream`.
unsafe impl Send for Event {}

impl Event {
    /// With `timed`, the time between two of them can be told.
    pub fn new(context: &Arc<Context>, timed: bool) -> Outcome<Self> {
        context.bind()?;
        let flags = match timed {
            true => sys::CUevent_flags::CU_EVENT_DEFAULT,
            false => sys::CUevent_flags::CU_EVENT_DISABLE_TIMING,
        };
        Ok(Event { handle: result::event::create(flags)?, context: Arc::clone(context) })
    }

    pub fn record(&self, stream: &Stream) -> Outcome<()> {
        // SAFETY: both live.
        Ok(unsafe { result::event::record(self.handle, stream.handle) }?)
    }

    /// Waits on the host.
    pub fn synchronize(&self) -> Outcome<()> {
        // SAFETY: the event lives.
        Ok(unsafe { result::event::synchronize(self.handle) }?)
    }

    /// Seconds from `earlier` to this one; both must be timed and done.
    pub fn seconds_since(&self, earlier: &Event) -> Outcome<f64> {
        // SAFETY: both live.
        Ok(f64::from(unsafe { result::event::elapsed(earlier.handle, self.handle) }?) * 1e-3)
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let _ = self.context.bind();
        // SAFETY: nobody else has the handle.
        let _ = unsafe { result::event::destroy(self.handle) };
    }
}

/// Device memory.
pub struct DeviceMemory {
    address: sys::CUdeviceptr,
    bytes: usize,
    context: Arc<Context>,
}

impl DeviceMemory {
    pub fn new(context: &Arc<Context>, bytes: usize) -> Outcome<Self> {
        context.bind()?;
        // SAFETY: any size is allowed but 0, which the driver refuses with an error.
        let address = unsafe { result::malloc_sync(bytes) }?;
        Ok(DeviceMemory { address, bytes, context: Arc::clone(context) })
    }

    pub fn address(&self) -> u64 {
        self.address
    }

    /// Sets every byte to 0, in the order of the stream.
    pub fn clear(&self, stream: &Stream) -> Outcome<()> {
        // SAFETY: the whole of this memory and nothing else.
        Ok(unsafe { result::memset_d8_async(self.address, 0, self.bytes, stream.handle) }?)
    }

    /// Copies from host memory that must stay as it is until the stream has come this far. The caller checks the range.
    ///
    /// # Safety
    /// `from` must live and not change until then; `offset + from.len()` must lie inside.
    pub unsafe fn write(&self, offset: usize, from: &[u8], stream: &Stream) -> Outcome<()> {
        // SAFETY: the caller promises both.
        Ok(unsafe { result::memcpy_htod_async(self.address + offset as u64, from, stream.handle) }?)
    }

    /// Copies into host memory and waits.
    pub fn read(&self, offset: usize, to: &mut [u8], stream: &Stream) -> Outcome<()> {
        debug_assert!(offset + to.len() <= self.bytes);
        // SAFETY: the range is the caller's to check; `to` is borrowed until the copy is over.
        unsafe { result::memcpy_dtoh_async(to, self.address + offset as u64, stream.handle) }?;
        stream.synchronize()
    }

    /// Copies between two places of the device, in the order of the stream. The caller checks both ranges.
    pub fn copy(from: (&Self, usize), to: (&Self, usize), bytes: usize, stream: &Stream) -> Outcome<()> {
        debug_assert!(from.1 + bytes <= from.0.bytes && to.1 + bytes <= to.0.bytes);
        let (source, target) = (from.0.address + from.1 as u64, to.0.address + to.1 as u64);
        // SAFETY: both ranges lie inside their memories.
        Ok(unsafe { result::memcpy_dtod_async(target, source, bytes, stream.handle) }?)
    }
}

impl Drop for DeviceMemory {
    fn drop(&mut self) {
        let _ = self.context.bind();
        // SAFETY: nobody else has the address; the driver waits for work that still uses it.
        let _ = unsafe { result::free_sync(self.address) };
    }
}

/// Host memory that the device reads by itself.
pub struct Pinned {
    address: *mut u8,
    bytes: usize,
    context: Arc<Context>,
}

// SAFETY: plain memory with one owner.
unsafe impl Send for Pinned {}

impl Pinned {
    pub fn new(context: &Arc<Context>, bytes: usize) -> Outcome<Self> {
        context.bind()?;
        // SAFETY: ordinary cached pinned memory; ours until freed.
        let address = unsafe { result::malloc_host(bytes, 0) }?.cast::<u8>();
        // SAFETY: `bytes` bytes were given; their content is nobody's yet.
        unsafe { address.write_bytes(0, bytes) };
        Ok(Pinned { address, bytes, context: Arc::clone(context) })
    }

    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `bytes` initialised bytes, alive as long as self.
        unsafe { std::slice::from_raw_parts(self.address, self.bytes) }
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, exclusively borrowed; the caller waits for the device's copies before it writes again.
        unsafe { std::slice::from_raw_parts_mut(self.address, self.bytes) }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = self.context.bind();
        // SAFETY: ours, and freed once.
        let _ = unsafe { result::free_host(self.address.cast::<c_void>()) };
    }
}

/// Loaded machine code.
pub struct Module {
    handle: sys::CUmodule,
    context: Arc<Context>,
}

// SAFETY: a handle, used only with its context current.
unsafe impl Send for Module {}

/// A kernel of a module; lives as long as its module.
#[derive(Clone, Copy)]
pub struct Function(sys::CUfunction);

// SAFETY: as for `Module`.
unsafe impl Send for Function {}

impl Module {
    /// Loads a fatbin. The image must begin at a multiple of 8 and be a whole fatbin or cubin.
    pub fn load(context: &Arc<Context>, image: &'static [u8]) -> Outcome<Self> {
        context.bind()?;
        // SAFETY: images are what nvcc wrote, embedded by build.rs; the driver reads the length from the header.
        let handle = unsafe { result::module::load_data(image.as_ptr().cast::<c_void>()) }?;
        Ok(Module { handle, context: Arc::clone(context) })
    }

    /// A kernel by name; `None` where the module has no such kernel.
    pub fn function(&self, entry: &str) -> Outcome<Option<Function>> {
        let Ok(name) = CString::new(entry) else { return Ok(None) };
        // SAFETY: the module is loaded.
        match unsafe { result::module::get_function(self.handle, name) } {
            Ok(function) => Ok(Some(Function(function))),
            Err(error) if error.0 == sys::CUresult::CUDA_ERROR_NOT_FOUND => Ok(None),
            Err(error) => Err(Fault(error)),
        }
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = self.context.bind();
        // SAFETY: its functions are dropped with the table that holds both.
        let _ = unsafe { result::module::unload(self.handle) };
    }
}

impl Function {
    /// Allows more dynamic shared memory than the 48 KiB that every kernel may have.
    pub fn allow_shared(&self, bytes: u32) -> Outcome<()> {
        let attribute = sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        // SAFETY: the function's module is loaded.
        Ok(unsafe { result::function::set_function_attribute(self.0, attribute, bytes as i32) }?)
    }

    /// Queues the kernel. `pointers` come first among its arguments, then `params` where there are any.
    ///
    /// # Safety
    /// The kernel must take exactly these arguments, and what it does with the pointers must stay inside their regions.
    pub unsafe fn launch(
        &self,
        geometry: (super::Dim, super::Dim, u32),
        pointers: &mut [u64],
        params: &mut [u64],
        stream: &Stream,
    ) -> Outcome<()> {
        let ([gx, gy, gz], [bx, by, bz], shared) = geometry;
        let mut arguments: Vec<*mut c_void> =
            pointers.iter_mut().map(|pointer| std::ptr::from_mut(pointer).cast()).collect();
        if !params.is_empty() {
            arguments.push(params.as_mut_ptr().cast());
        }
        // SAFETY: every argument points at memory that outlives the call, in which the driver copies them; the rest is the
        // caller's promise.
        Ok(unsafe { result::launch_kernel(self.0, (gx, gy, gz), (bx, by, bz), shared, stream.handle, &mut arguments) }?)
    }
}

/// A recorded list of launches.
pub struct Graph {
    handle: sys::CUgraphExec,
    context: Arc<Context>,
}

// SAFETY: a handle, used by one thread at a time with its context current.
unsafe impl Send for Graph {}

impl Graph {
    pub fn launch(&self, stream: &Stream) -> Outcome<()> {
        // SAFETY: both live; the memory that the graph addresses is the caller's to keep.
        Ok(unsafe { result::graph::launch(self.handle, stream.handle) }?)
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        let _ = self.context.bind();
        // SAFETY: nobody else has the handle.
        let _ = unsafe { result::graph::exec_destroy(self.handle) };
    }
}
