//! Sheets: geometry, enlargement by nearest, captions, refusals.

use hallucinet::report::grid::{BAND, MARGIN, NOTE, noted, sheet};
use hallucinet::report::{Sheet, Tile};

fn pixel(sheet: &Sheet, x: usize, y: usize) -> [u8; 3] {
    let at = (y * sheet.width + x) * 3;
    [sheet.rgb[at], sheet.rgb[at + 1], sheet.rgb[at + 2]]
}

fn noise(width: usize, height: usize, seed: usize) -> Vec<u8> {
    (0..width * height * 3).map(|i| (((i + seed) * 2_654_435_761) >> 7) as u8).collect()
}

#[test]
fn tiles_lie_where_promised_and_nearest_repeats_pixels() {
    let (low, high) = (noise(24, 28, 1), noise(96, 112, 2));
    let lr = Tile { width: 24, height: 28, rgb: &low };
    let hr = Tile { width: 96, height: 112, rgb: &high };
    let made = sheet(&["LR", "HR"], &[vec![lr, hr], vec![hr, lr]]).unwrap();
    assert_eq!(made.width, 2 * 96 + 3 * MARGIN);
    assert_eq!(made.height, BAND + 2 * 112 + 3 * MARGIN);
    assert_eq!(made.rgb.len(), made.width * made.height * 3);
    let paper = pixel(&made, 0, 0);
    for (row, column, tile) in [(0, 0, lr), (0, 1, hr), (1, 0, hr), (1, 1, lr)] {
        let (left, top) = (MARGIN + column * (96 + MARGIN), BAND + MARGIN + row * (112 + MARGIN));
        for y in 0..112 {
            for x in 0..96 {
                let from = (y * tile.height / 112 * tile.width + x * tile.width / 96) * 3;
                assert_eq!(pixel(&made, left + x, top + y), tile.rgb[from..from + 3], "tile {row},{column} at {x},{y}");
            }
            assert_eq!(pixel(&made, left - 1, top + y), paper);
            assert_eq!(pixel(&made, left + 96, top + y), paper);
        }
    }
}

#[test]
fn captions_stand_over_their_columns_and_differ() {
    let ink = |caption: &str| -> Vec<(usize, usize)> {
        let made = sheet(&["", caption], &[]).unwrap();
        let paper = pixel(&made, 0, 0);
        let all = (0..made.height).flat_map(|y| (0..made.width).map(move |x| (x, y)));
        all.filter(|(x, y)| pixel(&made, *x, *y) != paper).collect()
    };
    let second = 2 * MARGIN + 96;
    for caption in ["LR", "bicubic", "hallucinated", "a caption that is far too long for a tile", "\u{e9}\u{1F600}"] {
        let drawn = ink(caption);
        assert!(!drawn.is_empty(), "{caption}");
        assert!(
            drawn.iter().all(|(x, y)| (second..second + 96).contains(x) && (MARGIN..MARGIN + 7).contains(y)),
            "{caption}"
        );
    }
    assert!(ink("").is_empty() && ink("   ").is_empty());
    // All printable characters look different.
    let printable: Vec<char> = ('!'..='~').collect();
    for (i, a) in printable.iter().enumerate() {
        for b in &printable[..i] {
            assert_ne!(ink(&a.to_string()), ink(&b.to_string()), "{a} looks like {b}");
        }
    }
}

#[test]
fn ragged_and_empty_sheets_are_sheets() {
    let rgb = noise(96, 112, 3);
    let tile = Tile { width: 96, height: 112, rgb: &rgb };
    let ragged = sheet(&[], &[vec![tile], vec![tile, tile, tile], vec![]]).unwrap();
    assert_eq!((ragged.width, ragged.height), (3 * 96 + 4 * MARGIN, 3 * 112 + 4 * MARGIN));
    let empty = sheet(&[], &[]).unwrap();
    assert_eq!((empty.width, empty.height), (MARGIN, MARGIN));
    empty.png().unwrap();
}

#[test]
fn bytes_that_fit_no_size_are_refused_by_name() {
    let rgb = noise(4, 4, 0);
    for (width, height) in [(4, 5), (0, 0), (usize::MAX, 2), (3, 4)] {
        let refused = sheet(&[], &[vec![Tile { width, height, rgb: &rgb }]]).unwrap_err();
        assert!(refused.to_string().contains("tile 0 of row 0"), "{refused}");
    }
    assert!(sheet(&[], &[vec![Tile { width: 0, height: 0, rgb: &[] }]]).is_err());
    let torn = Sheet { width: 5, height: 5, rgb: vec![0; 3] };
    assert_eq!(torn.png().unwrap_err().exit_code(), 5);
}

#[test]
fn notes_stand_under_their_tiles_and_leave_the_pictures_alone() {
    let rgb = noise(96, 112, 5);
    let tile = Tile { width: 96, height: 112, rgb: &rgb };
    let note = |text: &str| (tile, text.to_owned());
    let made = noted(&["A", "B"], &[vec![note("27.4dB cos 0.83"), note("")], vec![note(""), note("x")]]).unwrap();
    assert_eq!(made.height, BAND + 2 * (112 + NOTE) + 3 * MARGIN);
    let paper = pixel(&made, 0, 0);
    for (row, column, written) in [(0, 0, true), (0, 1, false), (1, 0, false), (1, 1, true)] {
        let (left, top) = (MARGIN + column * (96 + MARGIN), BAND + MARGIN + row * (112 + NOTE + MARGIN));
        for y in 0..112 {
            let at = ((top + y) * made.width + left) * 3;
            assert_eq!(made.rgb[at..at + 96 * 3], rgb[y * 96 * 3..(y + 1) * 96 * 3], "tile {row},{column}, row {y}");
        }
        let band = (top + 112..top + 112 + NOTE + MARGIN).flat_map(|y| (left..left + 96).map(move |x| (x, y)));
        assert_eq!(band.clone().any(|(x, y)| pixel(&made, x, y) != paper), written, "note {row},{column}");
    }
}
