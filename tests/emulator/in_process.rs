//! The stand-in driver inside this process, as the executor has it: errors that stay until the context is reset, injected
//! failures, streams, capture and graphs. Settings hold for the calling thread, but a broken context is everybody's, so
//! these tests take turns.

use super::{ILLEGAL_ADDRESS, LAUNCH_FAILED, built};
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::ptr::{null, null_mut};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

type Pointer = *mut c_void;

/// The loaded library; calls are by name, with the driver's own signatures.
struct Driver {
    library: usize,
}

macro_rules! call {
    ($driver:expr, $name:literal, $($argument:expr => $kind:ty),*) => {{
        // SAFETY: the types are those of the function's declaration in the stand-in driver (and in cuda.h).
        let function: unsafe extern "C" fn($($kind),*) -> c_int = unsafe { std::mem::transmute($driver.symbol($name)) };
        unsafe { function($($argument),*) }
    }};
}

impl Driver {
    fn symbol(&self, name: &str) -> Pointer {
        let name = CString::new(name).unwrap();
        // SAFETY: the handle came from dlopen and is never closed.
        let found = unsafe { dlsym(self.library as Pointer, name.as_ptr()) };
        assert!(!found.is_null(), "{name:?} is not exported");
        found
    }

    fn set(&self, name: &str, value: &str) {
        let (name, value) = (CString::new(name).unwrap(), CString::new(value).unwrap());
        let result = call!(self, "standin_set", name.as_ptr() => *const c_char, value.as_ptr() => *const c_char);
        assert_eq!(result, 0, "standin_set({name:?}, {value:?})");
    }

    fn last_report(&self) -> String {
        // SAFETY: takes nothing and gives a text that lives until this thread asks again.
        let function: unsafe extern "C" fn() -> *const c_char =
            unsafe { std::mem::transmute(self.symbol("standin_last_report")) };
        unsafe { CStr::from_ptr(function()) }.to_string_lossy().into_owned()
    }

    fn alloc(&self, bytes: usize) -> Result<Pointer, i32> {
        let mut at: Pointer = null_mut();
        match call!(self, "cuMemAlloc_v2", &mut at => *mut Pointer, bytes => usize) {
            0 => Ok(at),
            error => Err(error),
        }
    }

    fn upload(&self, values: &[f32]) -> Pointer {
        let at = self.alloc(values.len() * 4).unwrap();
        let result = call!(self, "cuMemcpyHtoD_v2", at => Pointer, values.as_ptr().cast() => *const c_void, values.len() * 4 => usize);
        assert_eq!(result, 0);
        at
    }

    fn download(&self, from: Pointer, count: usize) -> Vec<f32> {
        let mut values = vec![0.0f32; count];
        let result =
            call!(self, "cuMemcpyDtoH_v2", values.as_mut_ptr().cast() => Pointer, from => Pointer, count * 4 => usize);
        assert_eq!(result, 0);
        values
    }

    fn stream(&self) -> Pointer {
        let mut stream: Pointer = null_mut();
        assert_eq!(call!(self, "cuStreamCreate", &mut stream => *mut Pointer, 1 => c_uint), 0);
        stream
    }

    fn synchronize(&self) -> i32 {
        call!(self, "cuCtxSynchronize",)
    }

    /// One block of 64 threads of a kernel that takes (x, y).
    fn launch(&self, kernel: &str, stream: Pointer, x: Pointer, y: Pointer) -> i32 {
        let (mut x, mut y) = (x, y);
        self.launch_with(kernel, stream, &mut [(&raw mut x).cast(), (&raw mut y).cast()])
    }

    fn launch_with(&self, kernel: &str, stream: Pointer, arguments: &mut [Pointer]) -> i32 {
        let (mut module, mut function): (Pointer, Pointer) = (null_mut(), null_mut());
        let name = CString::new(kernel).unwrap();
        let image = b"any image".as_ptr().cast::<c_void>();
        let loaded = call!(self, "cuModuleLoadData", &mut module => *mut Pointer, image => *const c_void);
        if loaded != 0 {
            return loaded;
        }
        assert_eq!(
            call!(self, "cuModuleGetFunction", &mut function => *mut Pointer, module => Pointer, name.as_ptr() => *const c_char),
            0
        );
        call!(self, "cuLaunchKernel", function => Pointer, 1 => c_uint, 1 => c_uint, 1 => c_uint, 64 => c_uint, 1 => c_uint, 1 => c_uint,
            256 => c_uint, stream => Pointer, arguments.as_mut_ptr() => *mut Pointer, null_mut() => *mut Pointer)
    }
}

/// The driver with a current context on this thread, for one test at a time.
fn driver() -> (&'static Driver, MutexGuard<'static, ()>) {
    static TURN: Mutex<()> = Mutex::new(());
    static DRIVER: OnceLock<Driver> = OnceLock::new();
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let driver = DRIVER.get_or_init(|| {
        let path = CString::new(built("o2").join("libcuda.so.1").to_str().unwrap()).unwrap();
        // SAFETY: the library is the one that was just built; 2 is RTLD_NOW.
        let library = unsafe { dlopen(path.as_ptr(), 2) };
        assert!(!library.is_null(), "{path:?} cannot be loaded");
        Driver { library: library as usize }
    });
    assert_eq!(call!(driver, "cuInit", 0 => c_uint), 0);
    let mut context: Pointer = null_mut();
    assert_eq!(call!(driver, "cuDevicePrimaryCtxRetain", &mut context => *mut Pointer, 0 => c_int), 0);
    assert_eq!(call!(driver, "cuCtxSetCurrent", context => Pointer), 0);
    driver.set("reset", "");
    (driver, turn)
}

fn ramp() -> Vec<f32> {
    (0..64u8).map(f32::from).collect()
}

#[test]
fn a_fault_breaks_the_context_until_it_is_reset_and_leaves_the_process_alive() {
    let (driver, _turn) = driver();
    let (x, y) = (driver.upload(&ramp()), driver.upload(&[0.0; 64]));
    for round in 0..3 {
        assert_eq!(
            driver.launch("reads_past_end", null_mut(), x, y),
            0,
            "a fault is found by a later call, not by the launch"
        );
        assert_eq!(driver.synchronize(), ILLEGAL_ADDRESS, "round {round}");
        assert_eq!(driver.alloc(4), Err(ILLEGAL_ADDRESS), "a broken context refuses everything");
        assert_eq!(driver.launch("copies", null_mut(), x, y), ILLEGAL_ADDRESS);
        assert!(driver.last_report().contains("reads_past_end"), "{}", driver.last_report());
        driver.set("reset", "");
        assert_eq!(driver.launch("copies", null_mut(), x, y), 0);
        assert_eq!(driver.download(y, 64), ramp());
    }
}

#[test]
fn injected_failures_come_at_the_call_that_was_named() {
    let (driver, _turn) = driver();
    let (x, y) = (driver.upload(&ramp()), driver.upload(&[0.0; 64]));
    driver.set("fail_allocation", "2");
    let results = [driver.alloc(16).is_ok(), driver.alloc(16).is_ok(), driver.alloc(16).is_ok()];
    assert_eq!(results, [true, false, true]);
    driver.set("refuse_launch", "2");
    let launch = || driver.launch("copies", null_mut(), x, y);
    assert_eq!([launch(), launch(), launch()], [0, 701, 0]);
    driver.set("fail_launch", "1");
    assert_eq!(launch(), 0);
    assert_eq!(driver.synchronize(), LAUNCH_FAILED);
    assert!(driver.last_report().contains("injected"));
    driver.set("reset", "");
    driver.set("memory", "4096");
    assert_eq!(driver.alloc(4097), Err(2), "out of memory");
    driver.set("device", "none");
    assert_eq!(call!(driver, "cuInit", 0 => c_uint), 100, "no device");
    driver.set("driver", "12080");
    assert_eq!(launch(), 222, "a driver older than the kernels");
}

#[test]
fn copies_check_their_ranges() {
    let (driver, _turn) = driver();
    let x = driver.upload(&ramp());
    let bytes = [0u8; 512];
    let copy = |at: Pointer, count: usize| call!(driver, "cuMemcpyHtoD_v2", at => Pointer, bytes.as_ptr().cast() => *const c_void, count => usize);
    assert_eq!(copy(x, 256), 0);
    assert_eq!(copy(x, 257), 1, "past the end");
    assert_eq!(copy(x.wrapping_byte_add(128), 129), 1, "past the end from the middle");
    assert_eq!(copy(null_mut(), 4), 1, "no buffer");
    assert_eq!(call!(driver, "cuMemFree_v2", x => Pointer), 0);
    assert_eq!(copy(x, 4), 1, "freed");
    assert_eq!(call!(driver, "cuMemFree_v2", x => Pointer), 1, "freed twice");
}

#[repr(C)]
struct AxpyParams {
    a: f32,
    count: u32,
}

#[test]
fn a_graph_replays_what_was_recorded_with_the_arguments_of_the_capture() {
    let (driver, _turn) = driver();
    let stream = driver.stream();
    let (mut x, mut y) = (driver.upload(&[1.0; 64]), driver.upload(&[0.0; 64]));
    let mut params = AxpyParams { a: 2.0, count: 64 };
    let mut arguments: [Pointer; 3] = [(&raw mut x).cast(), (&raw mut y).cast(), (&raw mut params).cast()];
    assert_eq!(call!(driver, "cuStreamBeginCapture_v2", stream => Pointer, 1 => c_int), 0);
    assert_eq!(driver.launch_with("axpy", stream, &mut arguments), 0);
    let (mut graph, mut executable): (Pointer, Pointer) = (null_mut(), null_mut());
    assert_eq!(call!(driver, "cuStreamEndCapture", stream => Pointer, &mut graph => *mut Pointer), 0);
    params.a = 100.0;
    assert_eq!(driver.download(y, 1), [0.0], "a capture runs nothing");
    assert_eq!(
        call!(driver, "cuGraphInstantiateWithFlags", &mut executable => *mut Pointer, graph => Pointer, 0 => u64),
        0
    );
    assert_eq!(call!(driver, "cuGraphDestroy", graph => Pointer), 0);
    for _ in 0..5 {
        assert_eq!(call!(driver, "cuGraphLaunch", executable => Pointer, stream => Pointer), 0);
    }
    assert_eq!(call!(driver, "cuStreamSynchronize", stream => Pointer), 0);
    assert_eq!(driver.download(y, 64), [10.0; 64]);
    assert_eq!(params.a, 100.0);
}

#[test]
fn waiting_inside_a_capture_loses_it() {
    let (driver, _turn) = driver();
    let stream = driver.stream();
    assert_eq!(call!(driver, "cuStreamBeginCapture_v2", stream => Pointer, 1 => c_int), 0);
    assert_eq!(call!(driver, "cuStreamSynchronize", stream => Pointer), 900);
    let mut graph: Pointer = null_mut();
    assert_eq!(call!(driver, "cuStreamEndCapture", stream => Pointer, &mut graph => *mut Pointer), 901);
    assert!(graph.is_null());
}

/// An upload on one stream and a kernel on another: without the wait between them, late streams give the old bytes.
#[test]
fn late_streams_show_a_forgotten_wait() {
    let (driver, _turn) = driver();
    let (uploads, kernels) = (driver.stream(), driver.stream());
    let (x, y) = (driver.upload(&[0.0; 64]), driver.upload(&[0.0; 64]));
    let (mut pinned, mut event): (Pointer, Pointer) = (null_mut(), null_mut());
    assert_eq!(call!(driver, "cuMemHostAlloc", &mut pinned => *mut Pointer, 256 => usize, 0 => c_uint), 0);
    assert_eq!(call!(driver, "cuEventCreate", &mut event => *mut Pointer, 0 => c_uint), 0);
    // SAFETY: 64 floats of pinned memory that this test alone holds.
    unsafe { std::slice::from_raw_parts_mut(pinned.cast::<f32>(), 64) }.copy_from_slice(&ramp());
    let run = |waits: bool| {
        assert_eq!(call!(driver, "cuMemsetD32Async", x => Pointer, 0 => c_uint, 64 => usize, kernels => Pointer), 0);
        assert_eq!(call!(driver, "cuStreamSynchronize", kernels => Pointer), 0);
        assert_eq!(
            call!(driver, "cuMemcpyHtoDAsync_v2", x => Pointer, pinned => Pointer, 256 => usize, uploads => Pointer),
            0
        );
        assert_eq!(call!(driver, "cuEventRecord", event => Pointer, uploads => Pointer), 0);
        if waits {
            assert_eq!(call!(driver, "cuStreamWaitEvent", kernels => Pointer, event => Pointer, 0 => c_uint), 0);
        }
        assert_eq!(driver.launch("copies", kernels, x, y), 0);
        assert_eq!(call!(driver, "cuStreamSynchronize", kernels => Pointer), 0);
        let seen = driver.download(y, 64);
        assert_eq!(driver.synchronize(), 0);
        seen
    };
    assert_eq!(run(false), ramp(), "eager streams hide it");
    driver.set("streams", "late");
    assert_eq!(run(true), ramp());
    assert_eq!(run(false), [0.0; 64]);
}

#[test]
fn the_device_says_that_it_is_none() {
    let (driver, _turn) = driver();
    let mut name = [0 as c_char; 64];
    assert_eq!(call!(driver, "cuDeviceGetName", name.as_mut_ptr() => *mut c_char, 64 => c_int, 0 => c_int), 0);
    // SAFETY: the call above ended the text within the array.
    let name = unsafe { CStr::from_ptr(name.as_ptr()) }.to_str().unwrap();
    assert_eq!(name, "stand-in (host emulation, not a GPU)");
    for (capability, wanted) in [("9.0", [9, 0]), ("8.0", [8, 0]), ("12.0", [12, 0])] {
        driver.set("capability", capability);
        let mut seen = [0, 0];
        let [major, minor] = &mut seen;
        assert_eq!(call!(driver, "cuDeviceGetAttribute", major => *mut c_int, 75 => c_int, 0 => c_int), 0);
        assert_eq!(call!(driver, "cuDeviceGetAttribute", minor => *mut c_int, 76 => c_int, 0 => c_int), 0);
        assert_eq!(seen, wanted);
    }
    let unknown = CString::new("no such setting").unwrap();
    assert_eq!(call!(driver, "standin_set", unknown.as_ptr() => *const c_char, null() => *const c_char), 1);
}
