//! The folder: names, sizes, the same for any number of threads, and nothing left behind by a refusal.

use hallucinet::data::synth::{World, face, write};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn decode(file: &Path) -> (u32, u32, Vec<u8>) {
    let mut reader = png::Decoder::new(std::io::BufReader::new(fs::File::open(file).unwrap())).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut rgb).unwrap();
    (info.width, info.height, rgb)
}

#[test]
fn a_folder_per_identity_and_the_same_bits_for_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let out = dir.path().join(format!("deep/er{threads}"));
        let last = AtomicUsize::new(0);
        pool.install(|| {
            write(&out, World::strangers(9), 3, 2, &|done| {
                last.fetch_max(done, Ordering::Relaxed);
                Ok(())
            })
        })
        .unwrap();
        assert_eq!(last.load(Ordering::Relaxed), 6);
        assert_eq!(names(&out), ["id00000", "id00001", "id00002"]);
        for identity in 0..3_u32 {
            let folder = out.join(format!("id{identity:05}"));
            assert_eq!(names(&folder), ["0000.png", "0001.png"]);
            for image in 0..2_u32 {
                let (width, height, rgb) = decode(&folder.join(format!("{image:04}.png")));
                assert_eq!((width, height), (96, 112));
                assert_eq!(rgb, face(9, identity, image));
            }
        }
    }
    assert_eq!(names(&dir.path().join("deep")), ["er1", "er3"], "temporary folders stay behind");
}

#[test]
fn an_empty_folder_is_taken_and_an_occupied_place_is_refused_untouched() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    write(&empty, World::strangers(0), 1, 1, &|_| Ok(())).unwrap();
    assert_eq!(names(&empty), ["id00000"]);

    let refused = write(&empty, World::strangers(0), 2, 2, &|_| Ok(())).unwrap_err();
    assert_eq!(refused.exit_code(), 5, "{refused}");
    assert!(refused.to_string().contains("empty"), "{refused}");
    assert_eq!(names(&empty), ["id00000"]);

    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    assert_eq!(write(&file, World::strangers(0), 1, 1, &|_| Ok(())).unwrap_err().exit_code(), 5);
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    // The file stands where a folder would have to be.
    assert_eq!(write(&file.join("below"), World::strangers(0), 1, 1, &|_| Ok(())).unwrap_err().exit_code(), 5);
    assert_eq!(names(dir.path()), ["empty", "file"]);
}

#[test]
fn nothing_to_make_is_a_usage_error() {
    let dir = tempfile::tempdir().unwrap();
    for (identities, images) in [(0, 1), (1, 0)] {
        let refused = write(&dir.path().join("out"), World::strangers(0), identities, images, &|_| Ok(())).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
    }
    assert!(names(dir.path()).is_empty());
}

#[test]
fn work_that_is_stopped_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let stop = |done: usize| match done {
        3.. => Err(hallucinet::Error::Interrupted("enough".into())),
        _ => Ok(()),
    };
    let stopped = write(&dir.path().join("out"), World::strangers(1), 4, 3, &stop).unwrap_err();
    assert_eq!(stopped.exit_code(), 130);
    assert!(names(dir.path()).is_empty(), "{:?}", names(dir.path()));
}
