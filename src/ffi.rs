//! The engine for C and whatever speaks C: `include/hallucinet.h` says it to C programmers. Knows pointers and codes; what is computed is
//! [`crate::engine`]'s business.
//!
//! Every entry returns 0 or the exit code that the program would have (2 usage, 3 bad input, 4 no such device, 5 input/output,
//! 6 numeric), 7 for a mistake of this library; a sentence goes into the caller's own message, so no thread sees another's. No panic
//! crosses. Null pointers, sizes of 0 and lengths that do not fit are refused; that a pointer points to as much memory as is said,
//! nobody can check.

use crate::engine::{Device, Engine, Image, Loaded, Verified};
use crate::error::{Error, Result};
use std::any::Any;
use std::ffi::{CStr, c_char};
use std::mem::forget;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Bytes of a message, the zero at its end included.
const MESSAGE: usize = 512;
/// The code of a panic that was caught.
const MISTAKE: i32 = 7;
/// Larger pictures are refused, as they are in files; a size from uninitialised memory is usually one of those.
const MAX_PIXELS: usize = 64 << 20;
/// Opens every engine that is alive: a pointer to anything else is found out in most cases.
const ALIVE: u64 = 0x6861_6c6c_7563_696e;

/// `hallucinet_engine`
pub struct Handle {
    alive: u64,
    engine: Engine,
}

/// `hallucinet_message`: a sentence that ends in a zero.
#[repr(C)]
pub struct Message {
    text: [c_char; MESSAGE],
}

/// `hallucinet_image`: rows of RGB bytes.
#[repr(C)]
pub struct CImage {
    rgb: *const u8,
    bytes: usize,
    width: usize,
    height: usize,
}

/// Reads a run, a checkpoint or a model file (a path in UTF-8) and opens a device: -1 for the best there is, -2 for the processor,
/// 0 and up for a CUDA device. `threads` of 0 means all.
///
/// # Safety
/// `path` ends in a zero; `engine` may be written to; `message` is null or may be written to.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hallucinet_load(
    path: *const c_char,
    device: i32,
    threads: u32,
    engine: *mut *mut Handle,
    message: *mut Message,
) -> i32 {
    guarded(message, || {
        let path = given(path, "path")?;
        // SAFETY: not null, and the caller promises the zero at its end.
        let path = unsafe { CStr::from_ptr(path) };
        let path = path.to_str().map_err(|_| Error::Usage("path is not UTF-8".into()))?;
        hand_out(engine, || Engine::load(path), device, threads)
    })
}

/// As [`hallucinet_load`], from the bytes of a model file, which are not needed afterwards.
///
/// # Safety
/// `bytes` points to `length` bytes; the rest as there.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hallucinet_load_bytes(
    bytes: *const u8,
    length: usize,
    device: i32,
    threads: u32,
    engine: *mut *mut Handle,
    message: *mut Message,
) -> i32 {
    guarded(message, || {
        // SAFETY: the caller promises that so much may be read.
        let bytes = unsafe { slice(bytes, length, "bytes") }?;
        hand_out(engine, || Engine::from_bytes(bytes), device, threads)
    })
}

/// Gives an engine back; null is nothing to do.
///
/// # Safety
/// `engine` came from this library, was not given back before, and no call on it is under way.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hallucinet_free(engine: *mut Handle) {
    let _ = caught(|| -> Result<()> {
        // SAFETY: as of any handle; null and what is no handle leave by the error.
        unsafe { alive(engine) }?;
        // SAFETY: it was made by `Box::into_raw`, and nobody uses it from now on.
        let mut handle = unsafe { Box::from_raw(engine) };
        handle.alive = 0;
        Ok(())
    });
}

/// Writes the device's name, what it is and why it is this one into `name`.
///
/// # Safety
/// `engine` is alive; `name` may be written to; `message` is null or may be written to.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hallucinet_device(engine: *const Handle, name: *mut Message, message: *mut Message) -> i32 {
    guarded(message, || {
        // SAFETY: the caller promises that it is alive.
        let engine = unsafe { alive(engine) }?;
        // SAFETY: not null, and the caller promises that it may be written to.
        unsafe { write_text(given(name.cast_const(), "name")?.cast_mut(), &engine.device()) };
        Ok(())
    })
}

/// Writes the numbers of a feature to `width`: 0 for a model without a recogniser.
///
/// # Safety
/// `engine` is alive; `width` may be written to; `message` is null or may be written to.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hallucinet_feature_width(
    engine: *const Handle,
    width: *mut usize,
    message: *mut Message,
) -> i32 {
    guarded(message, || {
        // SAFETY: the caller promises that it is alive.
        let engine = unsafe { alive(engine) }?;
        // SAFETY: the caller promises that it may be written to.
        unsafe { put(width, engine.feature_width().unwrap_or(0), "width") }
    })
}

/// The features of `count` pictures, one after the other; with `mirror` other than 0 `[f(x), f(flip x)]`, twice as wide. `length` is how
/// many numbers `features` holds: count x width.
///
/// # Safety
/// `engine` is alive; `images` points to `count` pictures, each to its bytes; `features` to `length` numbers that may be written;
/// `message` is null or may be written to.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hallucinet_embed(
    engine: *const Handle,
    images: *const CImage,
    count: usize,
    mirror: i32,
    features: *mut f32,
    length: usize,
    message: *mut Message,
) -> i32 {
    guarded(message, || {
        // SAFETY: the caller promises that it is alive.
        let engine = unsafe { alive(engine) }?;
        let single = engine.feature_width().unwrap_or(0);
        let width = if mirror == 0 { single } else { 2 * single };
        // SAFETY: the caller promises pictures and their bytes.
        let images = unsafe { pictures(images, count) }?;
        fits(length, images.len(), width, "features")?;
        let found = if mirror == 0 { engine.embed(&images) } else { engine.embed_mirrored(&images) }?;
        // SAFETY: the caller promises `length` numbers that may be written.
        unsafe { fill(features, &found.values, "features") }
    })
}

/// Sharper pictures of `count` pictures, each 96x112 RGB. `length` is how many bytes `rgb` holds: count x 32256.
///
/// # Safety
/// As [`hallucinet_embed`], with `rgb` for `features`.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hallucinet_hallucinate(
    engine: *const Handle,
    images: *const CImage,
    count: usize,
    rgb: *mut u8,
    length: usize,
    message: *mut Message,
) -> i32 {
    guarded(message, || {
        // SAFETY: the caller promises that it is alive.
        let engine = unsafe { alive(engine) }?;
        // SAFETY: the caller promises pictures and their bytes.
        let images = unsafe { pictures(images, count) }?;
        fits(length, images.len(), 3 * 96 * 112, "rgb")?;
        let found = engine.hallucinate(&images)?;
        let pixels: Vec<u8> = found.into_iter().flat_map(|picture| picture.rgb).collect();
        // SAFETY: the caller promises `length` bytes that may be written.
        unsafe { fill(rgb, &pixels, "rgb") }
    })
}

/// Compares two pictures: their cosine, and whether it reaches `threshold` (NaN: the model's calibration): 1 same, 0 different,
/// -1 where there is no threshold. `cosine` or `same` may be null where it is not wanted.
///
/// # Safety
/// `engine` is alive; the pictures point to their bytes; what is not null of the rest may be written to.
// SAFETY: no other symbol has this name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hallucinet_verify(
    engine: *const Handle,
    first: *const CImage,
    second: *const CImage,
    threshold: f64,
    cosine: *mut f64,
    same: *mut i32,
    message: *mut Message,
) -> i32 {
    guarded(message, || {
        // SAFETY: the caller promises that it is alive.
        let engine = unsafe { alive(engine) }?;
        // SAFETY: the caller promises pictures and their bytes.
        let (first, second) = unsafe { (pictures(first, 1)?, pictures(second, 1)?) };
        let found: Verified = match threshold.is_nan() {
            true => engine.verify(first[0], second[0])?,
            false => engine.verify_at(first[0], second[0], threshold)?,
        };
        if !cosine.is_null() {
            // SAFETY: not null, and the caller promises that it may be written to.
            unsafe { put(cosine, found.cosine, "cosine") }?;
        }
        if !same.is_null() {
            // SAFETY: not null, and the caller promises that it may be written to.
            unsafe { put(same, found.same.map_or(-1, i32::from), "same") }?;
        }
        Ok(())
    })
}

/// Runs an entry: its code, and its sentence in the caller's message.
fn guarded(message: *mut Message, work: impl FnOnce() -> Result<()>) -> i32 {
    let (code, text) = match caught(work) {
        Ok(Ok(())) => (0, String::new()),
        Ok(Err(error)) => (error.exit_code(), error.to_string()),
        Err(what) => (MISTAKE, format!("a mistake of this library: {what}")),
    };
    if message.is_aligned() && !message.is_null() {
        // SAFETY: not null, and the caller promises that it may be written to.
        unsafe { write_text(message, &text) };
    }
    code
}

/// What the work gives, or the words of its panic.
fn caught<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic: Box<dyn Any + Send>| {
        let words = panic.downcast_ref::<&str>().map(|words| (*words).to_owned());
        let words = words.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        // Dropping what a panic carries could panic again.
        forget(panic);
        words
    })
}

/// Puts a loaded model on a device and its handle where the caller wants it; null goes there first.
fn hand_out(to: *mut *mut Handle, load: impl FnOnce() -> Result<Loaded>, device: i32, threads: u32) -> Result<()> {
    // SAFETY: `put` refuses null, and the caller promises that it may be written to.
    unsafe { put(to, std::ptr::null_mut(), "engine") }?;
    let device = match device {
        -1 => Device::best(),
        -2 => Device::cpu(),
        ordinal => Device::cuda(
            usize::try_from(ordinal)
                .map_err(|_| Error::Usage(format!("device {ordinal} is none: -1 best, -2 processor, 0 and up CUDA")))?,
        ),
    };
    let device = if threads > 0 { device.threads(threads as usize) } else { device };
    let handle = Box::new(Handle { alive: ALIVE, engine: load()?.on(device)? });
    // SAFETY: as above.
    unsafe { put(to, Box::into_raw(handle), "engine") }
}

/// Refuses null and what is not aligned.
fn given<T>(pointer: *const T, name: &str) -> Result<*const T> {
    match (pointer.is_null(), pointer.is_aligned()) {
        (true, _) => Err(Error::Usage(format!("{name} is null"))),
        (_, false) => Err(Error::Usage(format!("{name} points to no place for what it should be"))),
        _ => Ok(pointer),
    }
}

/// The engine of a handle.
///
/// # Safety
/// The handle is null, or points to memory that may be read.
unsafe fn alive<'a>(handle: *const Handle) -> Result<&'a Engine> {
    let handle = given(handle, "engine")?;
    // SAFETY: not null, aligned, and the caller promises that it may be read; the field alone is looked at first.
    let alive = unsafe { (&raw const (*handle).alive).read() };
    match alive == ALIVE {
        // SAFETY: an engine that is alive, which the caller keeps alive during the call.
        true => Ok(unsafe { &(*handle).engine }),
        false => Err(Error::Usage("engine is none: it was given back, or never came from this library".into())),
    }
}

/// # Safety
/// The pointer is null, or points to `length` things that may be read for as long as `'a`.
unsafe fn slice<'a, T>(pointer: *const T, length: usize, name: &str) -> Result<&'a [T]> {
    let pointer = given(pointer, name)?;
    if length == 0 || length > isize::MAX as usize / size_of::<T>() {
        return Err(Error::Usage(format!("{length} is no length for {name}")));
    }
    // SAFETY: not null, aligned, short enough; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(pointer, length) })
}

/// # Safety
/// The pointer is null, or points to `count` pictures, each of which points to its bytes.
unsafe fn pictures<'a>(images: *const CImage, count: usize) -> Result<Vec<Image<'a>>> {
    // SAFETY: the caller's promise.
    let images = unsafe { slice(images, count, "images") }?;
    let picture = |image: &CImage| {
        let CImage { rgb, bytes, width, height } = *image;
        if width.checked_mul(height).is_none_or(|pixels| pixels > MAX_PIXELS) {
            return Err(Error::Usage(format!("a picture of {width}x{height} is too large")));
        }
        // SAFETY: the caller's promise.
        Image::new(width, height, unsafe { slice(rgb, bytes, "rgb of a picture") }?)
    };
    images.iter().map(picture).collect()
}

/// Refuses a buffer that is not exactly `count` rows of `width`.
fn fits(length: usize, count: usize, width: usize, name: &str) -> Result<()> {
    match count.checked_mul(width) {
        Some(wanted) if wanted == length || width == 0 => Ok(()),
        _ => Err(Error::Usage(format!("{name} holds {length}, and {count} x {width} are written"))),
    }
}

/// # Safety
/// The pointer is null, or may be written to.
unsafe fn put<T>(to: *mut T, value: T, name: &str) -> Result<()> {
    let to = given(to.cast_const(), name)?.cast_mut();
    // SAFETY: not null, aligned; the rest is the caller's promise.
    unsafe { to.write(value) };
    Ok(())
}

/// # Safety
/// The pointer is null, or points to as many things as `from` has, which may be written.
unsafe fn fill<T: Copy>(to: *mut T, from: &[T], name: &str) -> Result<()> {
    let to = given(to.cast_const(), name)?.cast_mut();
    // SAFETY: not null, aligned; the rest is the caller's promise. `from` is this library's own, so they do not overlap.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) };
    Ok(())
}

/// Writes as many whole letters as there is room for, and a zero.
///
/// # Safety
/// The pointer is not null and may be written to.
unsafe fn write_text(to: *mut Message, text: &str) {
    let text = text.replace('\0', " ");
    let short = (0..MESSAGE).rev().find_map(|end| text.get(..end.min(text.len()))).unwrap_or_default();
    let mut bytes = [0 as c_char; MESSAGE];
    bytes.iter_mut().zip(short.bytes()).for_each(|(to, from)| *to = from as c_char);
    // SAFETY: the caller's promise.
    unsafe { to.write(Message { text: bytes }) };
}
