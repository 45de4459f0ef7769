//! The C interface: what the header declares and the library exports, a C program, and whatever a careless caller may pass.

use crate::{FEATURES, face, joint, model, on_cpu};
use hallucinet::Image;
use libloading::{Library, Symbol};
use std::collections::BTreeSet;
use std::ffi::{CStr, CString, c_char, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr::{null, null_mut};

/// Where Cargo puts the library that the tests are linked with: beside their own programs.
fn folder_of_library() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

fn library() -> PathBuf {
    folder_of_library().join("libhallucinet.so")
}

/// The words of a text that are followed by `(` and begin as our functions do.
fn functions(text: &str) -> BTreeSet<String> {
    let called = |word: &str| word.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
    text.split('(').map(called).filter(|word| word.starts_with("hallucinet_")).collect()
}

fn without_comments(text: &str) -> String {
    text.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, code)| code)).collect()
}

#[test]
fn the_header_declares_what_the_library_exports() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = std::fs::read_to_string(root.join("include/hallucinet.h")).unwrap();
    let declared = functions(&without_comments(&header));
    let source = std::fs::read_to_string(root.join("src/ffi.rs")).unwrap();
    let exported: BTreeSet<String> =
        source.split("extern \"C\" fn ").skip(1).map(|rest| rest.split('(').next().unwrap().to_owned()).collect();
    assert!(declared.len() > 5 && declared == exported, "{declared:?} {exported:?}");
    let listed = Command::new("nm").args(["-D", "--defined-only"]).arg(library()).output();
    match listed {
        Ok(listed) if listed.status.success() => {
            let text = String::from_utf8(listed.stdout).unwrap();
            let names = text.lines().filter_map(|line| line.split_whitespace().last());
            let ours: BTreeSet<String> = names.filter(|n| n.starts_with("hallucinet_")).map(str::to_owned).collect();
            assert_eq!(ours, declared);
        }
        _ => println!("skipped: the_header_declares_what_the_library_exports: no nm to look at the library"),
    }
}

#[test]
fn a_c_program_embeds_from_sixteen_threads() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.safetensors"), model(true, true, &[])).unwrap();
    let (root, program) = (Path::new(env!("CARGO_MANIFEST_DIR")), folder.path().join("embed"));
    let mut compile = Command::new("cc");
    compile.args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"]).arg(root.join("include"));
    compile.arg(root.join("examples/c/embed.c")).arg("-o").arg(&program);
    compile.arg("-L").arg(folder_of_library()).args(["-lhallucinet", "-lpthread", "-lm"]);
    let Ok(compiled) = compile.output() else {
        println!("skipped: a_c_program_embeds_from_sixteen_threads: no C compiler (cc)");
        return;
    };
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
    let run = |model: &str| {
        let mut command = Command::new(&program);
        command.arg(model).current_dir(folder.path()).env("LD_LIBRARY_PATH", folder_of_library()).output().unwrap()
    };
    let ran = run("model.safetensors");
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{said}");
    assert!(said.contains("features of 12 numbers\n16 threads agree\n") && said.contains("not calibrated"), "{said}");
    // The picture that it painted, through the Rust interface.
    let mut seed = 1u32;
    let rgb: Vec<u8> = (0..3 * 96 * 112)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .collect();
    let wanted = on_cpu(joint()).hallucinate(&[Image::new(96, 112, &rgb).unwrap()]).unwrap();
    assert_eq!(ran.stdout, wanted[0].rgb);
    let refused = run("nowhere");
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("nowhere"));
}

/// `hallucinet_message`
type Message = [c_char; 512];

/// `hallucinet_image`
#[repr(C)]
#[derive(Clone, Copy)]
struct CImage {
    rgb: *const u8,
    bytes: usize,
    width: usize,
    height: usize,
}

type LoadBytes = unsafe extern "C" fn(*const u8, usize, i32, u32, *mut *mut c_void, *mut Message) -> i32;
type Load = unsafe extern "C" fn(*const c_char, i32, u32, *mut *mut c_void, *mut Message) -> i32;
type Embed = unsafe extern "C" fn(*const c_void, *const CImage, usize, i32, *mut f32, usize, *mut Message) -> i32;
type Sharpen = unsafe extern "C" fn(*const c_void, *const CImage, usize, *mut u8, usize, *mut Message) -> i32;
type Verify =
    unsafe extern "C" fn(*const c_void, *const CImage, *const CImage, f64, *mut f64, *mut i32, *mut Message) -> i32;
type Width = unsafe extern "C" fn(*const c_void, *mut usize, *mut Message) -> i32;
type Name = unsafe extern "C" fn(*const c_void, *mut Message, *mut Message) -> i32;
type Free = unsafe extern "C" fn(*mut c_void);

/// The library as `dlopen` gives it.
struct Api {
    library: Library,
}

impl Api {
    fn open() -> Api {
        // SAFETY: our own library, whose initialisers are the standard library's.
        Api { library: unsafe { Library::new(library()) }.unwrap() }
    }

    fn get<T>(&self, name: &str) -> Symbol<'_, T> {
        // SAFETY: the types above are those of the header.
        unsafe { self.library.get(name.as_bytes()) }.unwrap()
    }

    fn engine(&self) -> *mut c_void {
        let (bytes, mut engine) = (model(true, true, &[]), null_mut());
        let load = self.get::<LoadBytes>("hallucinet_load_bytes");
        // SAFETY: all pointers are to what the header says.
        let code = unsafe { load(bytes.as_ptr(), bytes.len(), -2, 2, &mut engine, null_mut()) };
        assert!(code == 0 && !engine.is_null());
        engine
    }
}

fn text(message: &Message) -> String {
    assert!(message.contains(&0));
    // SAFETY: it has a zero.
    unsafe { CStr::from_ptr(message.as_ptr()) }.to_str().unwrap().to_owned()
}

#[test]
fn nulls_and_wrong_lengths_are_refused_with_a_sentence() {
    let api = Api::open();
    let engine = api.engine();
    let picture = face(0, 0);
    let image = CImage { rgb: picture.rgb.as_ptr(), bytes: picture.rgb.len(), width: 96, height: 112 };
    let mut features = [7.0f32; 2 * FEATURES];
    let mut message: Message = [1; 512];
    let embed = api.get::<Embed>("hallucinet_embed");
    let mut call = |engine, images: *const CImage, count, features: *mut f32, length, code, words: &str| {
        // SAFETY: null, or what the header says; sizes that are too large are refused unread.
        let given = unsafe { embed(engine, images, count, 0, features, length, &mut message) };
        assert_eq!(given, code, "{}", text(&message));
        assert!(text(&message).contains(words), "no {words:?} in: {}", text(&message));
    };
    let out = features.as_mut_ptr();
    call(null_mut(), &image, 1, out, FEATURES, 2, "engine is null");
    call(engine, null(), 1, out, FEATURES, 2, "images is null");
    call(engine, &image, 1, null_mut(), FEATURES, 2, "features is null");
    call(engine, &image, 0, out, 0, 2, "images");
    call(engine, &image, usize::MAX, out, FEATURES, 2, "images");
    call(engine, &image, 1, out, FEATURES - 1, 2, "features");
    call(engine, &image, 1, out, 2 * FEATURES, 2, "features");
    for (wrong, words) in [
        (CImage { rgb: null(), ..image }, "rgb of a picture is null"),
        (CImage { bytes: 0, ..image }, "rgb"),
        (CImage { bytes: usize::MAX, ..image }, "rgb"),
        (CImage { bytes: image.bytes - 3, ..image }, "96x112"),
        (CImage { width: 0, ..image }, "0x112"),
        (CImage { height: 0, bytes: 0, ..image }, "rgb"),
        (CImage { width: usize::MAX, height: usize::MAX, ..image }, "too large"),
        (CImage { width: 1 << 20, height: 1 << 20, bytes: 3 << 40, ..image }, "too large"),
    ] {
        call(engine, &wrong, 1, out, FEATURES, 2, words);
    }
    let stranger = [0u64; 64];
    call(stranger.as_ptr().cast_mut().cast(), &image, 1, out, FEATURES, 2, "engine is none");
    assert_eq!(features, [7.0; 2 * FEATURES], "nothing is written by a call that fails");
    // A caller that wants no message is served as well.
    // SAFETY: what the header says.
    assert_eq!(unsafe { embed(engine, &image, 1, 1, features.as_mut_ptr(), 2 * FEATURES, null_mut()) }, 0);
    let wanted = on_cpu(joint()).embed_mirrored(&[Image::from(&picture)]).unwrap();
    assert_eq!(features[..], wanted.values);
    let free = api.get::<Free>("hallucinet_free");
    // SAFETY: null is nothing to do; the engine is not used from now on.
    unsafe {
        free(null_mut());
        free(stranger.as_ptr().cast_mut().cast());
        free(engine);
    }
}

#[test]
fn every_other_entry_says_what_it_lacks() {
    let api = Api::open();
    let engine = api.engine();
    let picture = face(0, 0);
    let image = CImage { rgb: picture.rgb.as_ptr(), bytes: picture.rgb.len(), width: 96, height: 112 };
    let (mut message, mut name): (Message, Message) = ([1; 512], [1; 512]);
    let (mut other, mut width, mut cosine, mut same) = (std::ptr::dangling_mut::<c_void>(), 0usize, 0f64, 5i32);
    let absent = CString::new("nowhere/at/all").unwrap();
    let not_text = CString::new([0xff, 0xfe]).unwrap();
    let mut sharper = vec![0u8; 3 * 96 * 112];
    let (load, load_bytes) = (api.get::<Load>("hallucinet_load"), api.get::<LoadBytes>("hallucinet_load_bytes"));
    let (sharpen, verify) = (api.get::<Sharpen>("hallucinet_hallucinate"), api.get::<Verify>("hallucinet_verify"));
    let feature_width = api.get::<Width>("hallucinet_feature_width");
    let device = api.get::<Name>("hallucinet_device");
    let bytes = model(true, true, &[]);
    // SAFETY: null, or what the header says.
    unsafe {
        assert_eq!(load(null(), -2, 0, &mut other, &mut message), 2);
        assert_eq!(load(absent.as_ptr(), -2, 0, null_mut(), &mut message), 2);
        assert_eq!(load(not_text.as_ptr(), -2, 0, &mut other, &mut message), 2);
        assert_eq!(load(absent.as_ptr(), -2, 0, &mut other, &mut message), 3);
        assert!(other.is_null() && text(&message).contains("nowhere/at/all"));
        assert_eq!(load_bytes(bytes.as_ptr(), bytes.len(), -3, 0, &mut other, &mut message), 2);
        assert_eq!(load_bytes(bytes.as_ptr(), bytes.len(), 77, 0, &mut other, &mut message), 4);
        assert_eq!(load_bytes(bytes.as_ptr(), bytes.len() / 2, -2, 0, &mut other, &mut message), 3);
        assert_eq!(load_bytes(null(), 5, -2, 0, &mut other, &mut message), 2);
        assert_eq!(device(engine, null_mut(), &mut message), 2);
        assert_eq!(device(engine, &mut name, &mut message), 0);
        assert!(text(&message).is_empty() && text(&name).starts_with("cpu ("), "{}", text(&name));
        assert_eq!(feature_width(engine, null_mut(), &mut message), 2);
        assert_eq!(feature_width(engine, &mut width, &mut message), 0);
        assert_eq!(sharpen(engine, &image, 1, null_mut(), sharper.len(), &mut message), 2);
        assert_eq!(sharpen(engine, &image, 1, sharper.as_mut_ptr(), sharper.len() - 1, &mut message), 2);
        assert_eq!(verify(engine, &image, null(), f64::NAN, &mut cosine, &mut same, &mut message), 2);
        assert_eq!(verify(engine, &image, &image, f64::NAN, &mut cosine, &mut same, &mut message), 0);
        assert_eq!((cosine, same), (1.0, -1));
        assert_eq!(verify(engine, &image, &image, 0.5, null_mut(), &mut same, &mut message), 0);
        assert_eq!(same, 1);
        assert_eq!(verify(engine, &image, &image, 2.0, &mut cosine, null_mut(), &mut message), 0);
    }
    assert_eq!(width, FEATURES);
    let free = api.get::<Free>("hallucinet_free");
    // SAFETY: the engine is not used from now on.
    unsafe { free(engine) };
}
