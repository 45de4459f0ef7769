//! Cutting faces: the rectangle and the centre against the f64 formula, landmarks against the normal equations, and bad rows.

use hallucinet::data::align::{Alignment, Crop, Landmarks, Points, Similarity, TEMPLATE, prepare};
use hallucinet::data::image::{self, Picture};
use hallucinet::random::Random;

use crate::resample::{agrees, naive_matlab};
use crate::{folder, shared};

fn noise(width: usize, height: usize) -> Picture {
    let mut random = Random::named(7, "noise");
    Picture::new(width, height, (0..width * height * 3).map(|_| random.below(256) as u8).collect()).unwrap()
}

fn is_cut_of(face: &Picture, picture: &Picture, Crop { x, y, w, h }: Crop) {
    let rows = picture.rgb.chunks(picture.width * 3).skip(y).take(h);
    let cut: Vec<u8> = rows.flat_map(|row| row[x * 3..(x + w) * 3].to_vec()).collect();
    let scale = (112.0 / h as f64, 96.0 / w as f64);
    assert_eq!((face.width, face.height), (96, 112));
    agrees(&face.rgb, &naive_matlab(&cut, (h, w), (112, 96), scale), &format!("{w}x{h} at {x}, {y}"));
}

fn landmarks(text: &str) -> Result<Landmarks, hallucinet::Error> {
    let folder = folder();
    let path = folder.path().join("landmarks.txt");
    std::fs::write(&path, text).unwrap();
    Landmarks::read(&path)
}

fn row(name: &str, points: &Points) -> String {
    let numbers: Vec<String> = points.iter().flatten().map(f64::to_string).collect();
    format!("{name}\t{}\n", numbers.join("\t"))
}

#[test]
fn a_face_of_the_right_size_is_left_alone() {
    let picture = noise(96, 112);
    let crop = Alignment::Crop(Crop { x: 1, y: 1, w: 4, h: 4 });
    let landmarks = Alignment::Landmarks(landmarks(&row("other.png", &TEMPLATE)).unwrap());
    for alignment in [Alignment::None, crop, landmarks] {
        assert_eq!(prepare(&picture, "a.png", &alignment).unwrap(), (picture.clone(), false));
    }
}

#[test]
fn a_rectangle_is_cut_and_resized() {
    let picture = noise(128, 144);
    for crop in [[4, 2, 115, 134], [0, 0, 128, 144], [127, 143, 1, 1], [10, 20, 24, 28]] {
        let (face, centre) = prepare(&picture, "a.png", &Alignment::Crop(crop.into())).unwrap();
        assert!(!centre);
        is_cut_of(&face, &picture, crop.into());
    }
}

#[test]
fn a_rectangle_outside_names_picture_size_and_rectangle() {
    let picture = noise(128, 144);
    for crop in [[4, 2, 125, 134], [4, 11, 115, 134], [0, 0, 0, 4], [usize::MAX, 0, 2, 2], [128, 0, 1, 1]] {
        let error = prepare(&picture, "Ann/1.jpg", &Alignment::Crop(crop.into())).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.exit_code(), 3);
        for part in ["Ann/1.jpg", "128x144", &crop[2].to_string(), &crop[3].to_string()] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[test]
fn anything_else_is_cut_in_the_centre_to_six_by_seven() {
    for (size, crop) in [
        ((250, 250), [18, 0, 214, 250]),
        ((92, 112), [0, 2, 92, 107]),
        ((24, 28), [0, 0, 24, 28]),
        ((1, 1), [0, 0, 1, 1]),
        ((2, 300), [0, 149, 2, 2]),
    ] {
        let picture = noise(size.0, size.1);
        let (face, centre) = prepare(&picture, "a.png", &Alignment::None).unwrap();
        assert!(centre);
        is_cut_of(&face, &picture, crop.into());
    }
}

/// Least squares by the normal equations of [a -b; b a] p + t, four unknowns, Gaussian elimination.
fn by_normal_equations(points: &Points) -> [f64; 4] {
    let mut system = [[0.0; 5]; 4];
    for (point, target) in points.iter().zip(&TEMPLATE) {
        let rows = [[point[0], -point[1], 1.0, 0.0, target[0]], [point[1], point[0], 0.0, 1.0, target[1]]];
        for row in rows {
            for i in 0..4 {
                for j in 0..5 {
                    system[i][j] += row[i] * row[j];
                }
            }
        }
    }
    for pivot in 0..4 {
        let best = (pivot..4).max_by(|a, b| system[*a][pivot].abs().total_cmp(&system[*b][pivot].abs())).unwrap();
        system.swap(pivot, best);
        for i in 0..4 {
            if i != pivot {
                let (row, factor) = (system[pivot], system[i][pivot] / system[pivot][pivot]);
                system[i].iter_mut().zip(row).for_each(|(value, above)| *value -= factor * above);
            }
        }
    }
    [0, 1, 2, 3].map(|i| system[i][4] / system[i][i])
}

#[test]
fn the_similarity_is_the_least_squares_one() {
    let mut random = Random::named(9, "points");
    for _ in 0..200 {
        let (angle, size) = (random.between(-3.0, 3.0), random.between(0.3, 4.0));
        let shift = [random.between(-100.0, 300.0), random.between(-100.0, 300.0)];
        let points = TEMPLATE.map(|[x, y]| {
            let (x, y) = (x * size + random.between(-5.0, 5.0), y * size + random.between(-5.0, 5.0));
            [x * angle.cos() - y * angle.sin() + shift[0], x * angle.sin() + y * angle.cos() + shift[1]]
        });
        let got = Similarity::onto_template(&points).unwrap();
        let expected = by_normal_equations(&points);
        for (got, expected) in [got.turn[0], got.turn[1], got.shift[0], got.shift[1]].iter().zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{got} {expected}");
        }
        let [x, y] = got.before([12.0, 34.0]);
        let back = [got.turn[0] * x - got.turn[1] * y + got.shift[0], got.turn[1] * x + got.turn[0] * y + got.shift[1]];
        assert!((back[0] - 12.0).abs() < 1e-9 && (back[1] - 34.0).abs() < 1e-9);
    }
}

#[test]
fn mirrored_points_are_not_reflected() {
    let points = TEMPLATE.map(|[x, y]| [95.0 - x, y]);
    let similarity = Similarity::onto_template(&points).unwrap();
    // A reflection would fit without error; a rotation cannot put the left eye on the left again.
    let [x, _] = similarity.before(TEMPLATE[0]);
    assert!((x - points[0][0]).abs() > 5.0);
    assert_eq!(Similarity::onto_template(&[[5.0, 5.0]; 5]), None);
}

#[test]
fn landmarks_on_a_shifted_template_shift_and_fill_with_black() {
    let picture = noise(200, 150);
    let points = TEMPLATE.map(|[x, y]| [x + 120.0, y + 30.0]);
    let alignment = Alignment::Landmarks(landmarks(&row("Ann/1.png", &points)).unwrap());
    let (face, centre) = prepare(&picture, "Ann/1.png", &alignment).unwrap();
    assert!(!centre);
    for y in 0..112 {
        for x in 0..96 {
            let got = &face.rgb[(y * 96 + x) * 3..][..3];
            // The row and column at the border may mix with the black beyond, by rounding of the position.
            if x + 120 < 199 && y + 30 < 149 {
                assert_eq!(got, &picture.rgb[((y + 30) * 200 + x + 120) * 3..][..3], "{x} {y}");
            } else if x + 120 > 200 || y + 30 > 150 {
                assert_eq!(got, [0, 0, 0], "{x} {y}");
            }
        }
    }
    let error = prepare(&picture, "Ann/2.png", &alignment).unwrap_err();
    assert!(error.exit_code() == 3 && error.to_string().contains("Ann/2.png"), "{error}");
}

#[test]
fn landmark_lists_by_tab_comma_and_space() {
    let list = landmarks(concat!(
        "# path, then ten numbers\r\n",
        "A b/1.jpg\t1\t2\t3\t4\t5\t6\t7\t8\t9\t10\t0.99\r\n",
        "./C/2.jpg, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10\n\n",
        "D\\3.jpg 1 2 3 4 5 6 7 8 9 1e1"
    ))
    .unwrap();
    assert_eq!(list.len(), 3);
    for name in ["A b/1.jpg", "C/2.jpg", "D/3.jpg"] {
        assert_eq!(list.of(name), Some(&[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 10.0]]), "{name}");
    }
}

#[test]
fn wrong_landmark_rows_name_file_and_line() {
    let good = "a.jpg 1 2 3 4 5 6 7 8 9 10\n";
    for bad in [
        "b.jpg 1 2 3 4 5 6 7 8 9",
        "b.jpg 1 2 3 4 5 6 7 8 9 10 11 12",
        "b.jpg 1 2 3 4 5 6 7 8 9 NaN",
        "b.jpg 1 2 3 4 5 6 7 8 9 inf",
        "b.jpg 1 2 3 4 5 6 7 8 9 ten",
        "b.jpg",
        "a.jpg 1 2 3 4 5 6 7 8 9 11",
    ] {
        let error = landmarks(&format!("{good}\n{bad}\n")).unwrap_err();
        assert!(error.exit_code() == 3 && error.to_string().contains("landmarks.txt, line 3"), "{error}");
    }
    assert!(landmarks("").is_err());
    let same = Alignment::Landmarks(landmarks("a.jpg 1 1 1 1 1 1 1 1 1 1").unwrap());
    assert_eq!(prepare(&noise(10, 10), "a.jpg", &same).unwrap_err().exit_code(), 3);
}

#[test]
fn rectangles_read_from_text_and_configuration() {
    let crop = Crop { x: 4, y: 2, w: 115, h: 134 };
    for text in ["4,2,115,134", "[4, 2, 115, 134]"] {
        assert_eq!(text.parse::<Crop>().unwrap(), crop);
    }
    for text in ["", "1,2,3", "1,2,3,4,5", "1,2,3,-4", "a,b,c,d"] {
        assert_eq!(text.parse::<Crop>().unwrap_err().exit_code(), 2, "{text}");
    }
    assert_eq!(serde_json::to_string(&crop).unwrap(), "[4,2,115,134]");
    assert_eq!(serde_json::from_str::<Crop>("[4,2,115,134]").unwrap(), crop);
}

#[test]
fn real_faces_by_rectangle_and_by_landmarks() {
    let Some(data) = shared("real_faces_by_rectangle_and_by_landmarks") else { return };
    let name = "Zico/Zico_0001.jpg";
    let picture = image::read(&data.join("lfw/images").join(name)).unwrap();
    let crop = Crop { x: 4, y: 2, w: 115, h: 134 };
    let (by_crop, _) = prepare(&picture, name, &Alignment::Crop(crop)).unwrap();
    is_cut_of(&by_crop, &picture, crop);
    let list = Landmarks::read(&data.join("lfw/landmarks.txt")).unwrap();
    assert_eq!(list.len(), 10_243);
    let (by_landmarks, _) = prepare(&picture, name, &Alignment::Landmarks(list)).unwrap();
    // The data README says that the two agree within a pixel or two: the pictures must look alike.
    let difference: f64 = by_crop.rgb.iter().zip(&by_landmarks.rgb).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
    assert!(difference / (by_crop.rgb.len() as f64) < 20.0, "{}", difference / by_crop.rgb.len() as f64);
    for list in ["lfw_raw/landmarks.txt", "ytf/landmarks.txt"] {
        assert!(Landmarks::read(&data.join(list)).unwrap().len() >= 190);
    }
}
