//! Faces from folders and packs: order, labels, selection, and folders that are not as they should be.

use std::path::Path;

use hallucinet::Error;
use hallucinet::data::align::{Alignment, Crop};
use hallucinet::data::faces::{Faces, Selection, Source};
use hallucinet::data::folder;
use hallucinet::data::image::{Picture, write_png};
use hallucinet::data::lists::People;
use hallucinet::data::pack::{FACE, Pack};

use crate::{folder, shared};

/// Writes a 96x112 picture of one colour, or of another size.
pub fn paint(root: &Path, name: &str, colour: u8, (width, height): (usize, usize)) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    write_png(&path, &Picture::new(width, height, vec![colour; width * height * 3]).unwrap()).unwrap();
}

const SIZE: (usize, usize) = (96, 112);
/// Sorted by path; "A-b" stands before "A/" though "A" is the smaller identity.
const NAMES: [&str; 5] = ["A-b/1.png", "A/1.png", "A/clip/2.png", "C/1.png", "C/2.png"];

pub fn small(root: &Path) {
    for (colour, name) in NAMES.iter().enumerate() {
        paint(root, name, 10 * (1 + colour as u8), SIZE);
    }
}

fn load(path: &Path) -> Result<Faces, Error> {
    Faces::open(path, &Alignment::None, &Selection::default())
}

fn holds_the_small_ones(faces: &Faces) {
    assert_eq!((faces.len(), faces.identities()), (5, 3));
    let names: Vec<&str> = (0..5).map(|i| faces.name(i)).collect();
    assert_eq!(names, NAMES);
    let identities: Vec<&str> = (0..5).map(|i| faces.identity(faces.label(i))).collect();
    assert_eq!(identities, ["A-b", "A", "A", "C", "C"]);
    assert_eq!((faces.label(0), faces.label(1)), (1, 0));
    for i in 0..5 {
        assert_eq!(faces.pixels(i), vec![10 * (i as u8 + 1); FACE]);
    }
}

#[test]
fn folder_and_pack_hold_the_same() {
    let folder = folder();
    let (root, out) = (folder.path().join("in"), folder.path().join("a.pack"));
    small(&root);
    std::fs::write(root.join("A/notes.txt"), "not a picture").unwrap();
    paint(&root, ".hidden/1.png", 0, SIZE);
    paint(&root, "A/.hidden.png", 0, SIZE);
    let faces = load(&root).unwrap();
    holds_the_small_ones(&faces);
    assert!(faces.warnings().is_empty());
    let mut heard = Vec::new();
    let (info, warnings) = Source::open(&root)
        .unwrap()
        .pack(&Alignment::None, &out, &mut |done, all| {
            heard.push((done, all));
            Ok(())
        })
        .unwrap();
    assert_eq!((info.faces, info.identities, info.origin.sources, info.origin.centre_cuts), (5, 3, 5, 0));
    assert_eq!((warnings.len(), heard), (0, vec![(5, 5)]));
    holds_the_small_ones(&load(&out).unwrap());
    Pack::open(&out).unwrap().check().unwrap();
    assert_eq!(
        Source::open(&root).unwrap().pack(&Alignment::None, &out, &mut |_, _| Ok(())).unwrap_err().exit_code(),
        5
    );
    let again = folder.path().join("b.pack");
    assert!(Source::open(&out).unwrap().pack(&Alignment::None, &again, &mut |_, _| Ok(())).is_err());
    Source::open(&root).unwrap().pack(&Alignment::None, &again, &mut |_, _| Ok(())).unwrap();
    assert_eq!(std::fs::read(&out).unwrap(), std::fs::read(&again).unwrap(), "a pack is a function of its pictures");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3, "no temporary stays");
}

#[test]
fn a_pack_that_fails_leaves_nothing() {
    let folder = folder();
    let root = folder.path().join("in");
    small(&root);
    std::fs::write(root.join("C/3.png"), "no picture").unwrap();
    std::fs::write(root.join("C/4.png"), "no picture").unwrap();
    for _ in 0..5 {
        let error = Source::open(&root)
            .unwrap()
            .pack(&Alignment::None, &folder.path().join("a.pack"), &mut |_, _| Ok(()))
            .unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains("3.png"), "the first one, always: {error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn centre_cuts_are_counted_and_crops_are_not() {
    let folder = folder();
    small(folder.path());
    paint(folder.path(), "D/1.png", 9, (100, 120));
    paint(folder.path(), "D/2.png", 9, (50, 50));
    let faces = load(folder.path()).unwrap();
    assert_eq!(faces.warnings().len(), 1);
    assert!(faces.warnings()[0].starts_with("2 pictures"), "{}", faces.warnings()[0]);
    let crop = Alignment::Crop(Crop { x: 0, y: 0, w: 50, h: 50 });
    assert!(Faces::open(folder.path(), &crop, &Selection::default()).unwrap().warnings().is_empty());
    let crop = Alignment::Crop(Crop { x: 0, y: 0, w: 51, h: 50 });
    let error = Faces::open(folder.path(), &crop, &Selection::default()).unwrap_err().to_string();
    assert!(error.contains("D/2.png") && error.contains("50x50") && error.contains("51x50"), "{error}");
}

#[test]
fn selection_chooses_identities_and_numbers_them_anew() {
    let folder = folder();
    let (root, out) = (folder.path().join("in"), folder.path().join("a.pack"));
    small(&root);
    Source::open(&root).unwrap().pack(&Alignment::None, &out, &mut |_, _| Ok(())).unwrap();
    let people = |names: &[&str]| Some(names.iter().map(|name| (name.to_string(), Some(1))).collect::<Vec<_>>());
    for path in [&root, &out] {
        let open = |people, min_images| Faces::open(path, &Alignment::None, &Selection { people, min_images });
        let faces = open(None, 2).unwrap();
        assert_eq!((faces.len(), faces.identities(), faces.name(0), faces.name(3)), (4, 2, "A/1.png", "C/2.png"));
        assert_eq!((faces.label(3), faces.identity(1), faces.pixels(3)[0]), (1, "C", 50));
        let faces = open(people(&["C", "A-b"]), 0).unwrap();
        assert_eq!((faces.len(), faces.identities(), faces.identity(0), faces.identity(1)), (3, 2, "A-b", "C"));
        let error = open(people(&["C", "Zoe", "Yan", "Zoe"]), 0).unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains("2 of the people"), "{error}");
        assert!(error.to_string().contains("Zoe"), "{error}");
        for nobody in [open(None, 3), open(people(&["A-b"]), 2), open(people(&[]), 0)] {
            let error = nobody.unwrap_err();
            assert!(error.exit_code() == 3 && error.to_string().contains("no identity is left"), "{error}");
        }
    }
}

#[test]
fn folders_that_are_not_as_they_should_be() {
    let folder = folder();
    let root = folder.path();
    assert!(load(root).unwrap_err().to_string().contains("no identity folders"));
    paint(root, "1.png", 1, SIZE);
    assert!(load(root).unwrap_err().to_string().contains("pictures but no identity folders"));
    paint(root, "A/1.png", 1, SIZE);
    assert!(load(root).unwrap().warnings()[0].starts_with("1 pictures"));
    std::fs::create_dir(root.join("Empty")).unwrap();
    let error = load(root).unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("Empty"), "{error}");
    assert_eq!(load(&root.join("absent")).unwrap_err().exit_code(), 3);
    let error = load(&root.join("1.png")).unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("not a pack"), "{error}");
    let plain = Source::open_plain(root).unwrap();
    assert_eq!(plain.listing().names, ["1.png", "A/1.png"]);
    let faces = plain.load(&[1], &Alignment::None, &mut |_, _| Ok(())).unwrap();
    assert_eq!((faces.len(), faces.name(0)), (1, "A/1.png"));
    for rows in [vec![2], vec![1, 0], vec![0, 0]] {
        assert!(Source::open_plain(root).unwrap().load(&rows, &Alignment::None, &mut |_, _| Ok(())).is_err());
    }
}

#[test]
fn pictures_of_files_and_folders() {
    let folder = folder();
    let root = folder.path();
    small(root);
    std::fs::write(root.join("odd.bin"), "").unwrap();
    let found = folder::pictures(&[root.join("C"), root.join("odd.bin")]).unwrap();
    let names: Vec<&str> = found.iter().map(|found| found.name.as_str()).collect();
    assert_eq!(names, ["1.png", "2.png", "odd.bin"]);
    assert_eq!(found[0].path, root.join("C/1.png"));
    let error = folder::pictures(&[root.join("A/1.png"), root.join("C")]).unwrap_err();
    assert!(error.exit_code() == 2 && error.to_string().contains("A/1.png"), "{error}");
    assert_eq!(folder::pictures(&[root.join("absent")]).unwrap_err().exit_code(), 3);
}

#[cfg(unix)]
#[test]
fn links_loops_and_names_that_are_not_text() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let folder = folder();
    let (root, elsewhere) = (folder.path().join("in"), folder.path().join("elsewhere"));
    small(&root);
    paint(&elsewhere, "1.png", 77, SIZE);
    symlink(&elsewhere, root.join("B")).unwrap();
    let faces = load(&root).unwrap();
    assert_eq!((faces.len(), faces.identities()), (6, 4));
    for target in [root.clone(), root.join("A")] {
        symlink(&target, root.join("A/loop")).unwrap();
        let error = load(&root).unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains("loop"), "{error}");
        assert_eq!(folder::plain(&root).unwrap_err().exit_code(), 3);
        std::fs::remove_file(root.join("A/loop")).unwrap();
    }
    symlink("nowhere", root.join("A/dead.png")).unwrap();
    let error = load(&root).unwrap_err();
    assert!(error.exit_code() == 5 && error.to_string().contains("dead.png"), "{error}");
    std::fs::remove_file(root.join("A/dead.png")).unwrap();
    std::fs::copy(root.join("A/1.png"), root.join("A").join(std::ffi::OsStr::from_bytes(b"\xff.png"))).unwrap();
    let error = load(&root).unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("UTF-8"), "{error}");
}

#[cfg(unix)]
#[test]
fn too_many_pictures_ask_for_a_pack() {
    // 366 links to a folder of 366 empty files: listed, and refused before one is read (which would be another error).
    const SIDE: usize = 366;
    const { assert!(SIDE * SIDE * FACE > 4 << 30) };
    let folder = folder();
    let (root, many) = (folder.path().join("in"), folder.path().join("many"));
    std::fs::create_dir_all(root.join("A")).unwrap();
    std::fs::create_dir(&many).unwrap();
    for i in 0..SIDE {
        std::fs::write(many.join(format!("{i}.png")), "").unwrap();
        std::os::unix::fs::symlink(&many, root.join(format!("A/{i}"))).unwrap();
    }
    let error = load(&root).unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("data pack"), "{error}");
}

#[test]
fn a_set_of_lfw_and_the_subjects_of_orl() {
    let Some(data) = shared("a_set_of_lfw_and_the_subjects_of_orl") else { return };
    let people = People::read(&data.join("lfw/people.txt")).unwrap().of_sets(&[8]).unwrap();
    let number = people.len();
    let pictures: usize = people.iter().filter_map(|(_, count)| *count).sum();
    let crop = Alignment::Crop(Crop { x: 4, y: 2, w: 115, h: 134 });
    let faces =
        Faces::open(&data.join("lfw/images"), &crop, &Selection { people: Some(people), min_images: 0 }).unwrap();
    assert_eq!((faces.identities(), faces.len()), (number, pictures));
    assert!(faces.warnings().is_empty());
    let orl = load(&data.join("orl_faces")).unwrap();
    assert_eq!((orl.len(), orl.identities()), (300, 30));
    assert!(orl.warnings()[0].starts_with("300 pictures"));
}

/// Names that could not be opened again are refused before hours of decoding, not after.
#[cfg(unix)]
#[test]
fn names_that_a_pack_cannot_hold_are_refused_at_once() {
    let folder = folder();
    let (root, out) = (folder.path().join("in"), folder.path().join("a.pack"));
    small(&root);
    std::fs::rename(root.join("A/1.png"), root.join("A/1\\.png")).unwrap();
    let mut heard = 0;
    let error = Source::open(&root)
        .unwrap()
        .pack(&Alignment::None, &out, &mut |_, _| {
            heard += 1;
            Ok(())
        })
        .unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("1\\\\.png") && heard == 0, "{error}");
    assert!(!out.exists());
}

#[test]
fn a_pack_that_is_stopped_leaves_nothing() {
    let folder = folder();
    let (root, out) = (folder.path().join("in"), folder.path().join("a.pack"));
    small(&root);
    let stop = &mut |_, _| Err(hallucinet::Error::Interrupted("enough".into()));
    let stopped = Source::open(&root).unwrap().pack(&Alignment::None, &out, stop).unwrap_err();
    assert_eq!((stopped.exit_code(), std::fs::read_dir(folder.path()).unwrap().count()), (130, 1));
}
