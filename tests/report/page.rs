//! The page as a whole.

use crate::wellformed::elements;
use hallucinet::report::{Axes, Report, Scale, Series, Tile, charts, grid};

const HOSTILE: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "a & b < c > d",
    "' onmouseover='x",
    "nul \0 bell \u{7} newline \n end </style></svg></body>",
];

fn hostile_page(name: &str) -> String {
    let axes = Axes { title: name, x: name, y: name, y_scale: Scale::Linear };
    let lines = [Series::new(name, vec![(0.0, 1.0), (1.0, 2.0)]), Series::new(name, vec![(0.0, 2.0)])];
    let tile = [7; 3];
    let rows = [vec![Tile { width: 1, height: 1, rgb: &tile }]];
    let mut report = Report::new(name);
    report.facts(&[(name, name)]).section(name).paragraph(name).code(name);
    report.table(&[name, name], &[vec![name.into()], vec![name.into(), name.into(), name.into()]], name);
    report.chart(&charts::curves(&axes, &lines).unwrap(), name);
    report.picture(&grid::sheet(&[name], &rows).unwrap(), name).unwrap();
    report.render()
}

#[test]
fn hostile_text_stays_text() {
    let harmless = elements(&hostile_page("harmless"));
    for name in HOSTILE {
        let page = hostile_page(name);
        assert_eq!(elements(&page), harmless, "{name:?} changed the page's structure");
        assert!(!page.contains("<script"), "{name:?}");
        assert!(page.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\t')), "{name:?}: control characters");
    }
}

#[test]
fn the_page_needs_nothing_from_outside() {
    let page = hostile_page("a name").replace("http://www.w3.org/2000/svg", "");
    for needle in ["http://", "https://", "//www", "url(", "@import", "<link", "<script", "<iframe", "src=\"/"] {
        assert!(!page.contains(needle), "found {needle}");
    }
    assert!(page.contains("src=\"data:image/png;base64,"));
    assert!(page.contains("default-src 'none'"));
    assert!(page.contains("width=device-width") && page.contains("prefers-color-scheme: dark"));
}

#[test]
fn embedded_pictures_decode_to_the_sheet() {
    let rgb: Vec<u8> = (0..24 * 28 * 3).map(|i| (i * 37 % 251) as u8).collect();
    let sheet = grid::sheet(&["LR"], &[vec![Tile { width: 24, height: 28, rgb: &rgb }]]).unwrap();
    let mut report = Report::new("t");
    report.picture(&sheet, "c").unwrap();
    let page = report.render();
    let data = page.split("base64,").nth(1).unwrap().split('"').next().unwrap();
    let png = unbase64(data);
    let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
    let mut decoded = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut decoded).unwrap();
    assert_eq!((info.width as usize, info.height as usize), (sheet.width, sheet.height));
    assert_eq!(decoded, sheet.rgb);
}

fn unbase64(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 4, 0, "padded to groups of four");
    let mut bits = (0_u32, 0_u32);
    let mut out = Vec::new();
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            other => panic!("{other} is not base64"),
        };
        bits = (bits.0 << 6 | u32::from(value), bits.1 + 6);
        if bits.1 >= 8 {
            out.push((bits.0 >> (bits.1 - 8)) as u8);
            bits = (bits.0 & ((1 << (bits.1 - 8)) - 1), bits.1 - 8);
        }
    }
    out
}

#[test]
fn columns_of_numbers_stand_right_and_short_rows_are_filled() {
    let mut report = Report::new("t");
    let row = |cells: &[&str]| cells.iter().map(|c| c.to_string()).collect::<Vec<_>>();
    let rows =
        [row(&["bicubic", "27.31", "91.2 %", "3 rows here"]), row(&["joint", "-", "0.9 ± 0.1", "x"]), row(&["s"])];
    report.table(&["row", "PSNR", "acc", "note"], &rows, "");
    let page = report.render();
    for right in [
        "<th class=\"n\">PSNR</th>",
        "<td class=\"n\">27.31</td>",
        "<td class=\"n\">-</td>",
        "<td class=\"n\">91.2 %</td>",
    ] {
        assert!(page.contains(right), "{right}");
    }
    for left in ["<th>row</th>", "<td>bicubic</td>", "<th>note</th>"] {
        assert!(page.contains(left), "{left}");
    }
    assert_eq!(elements(&page).iter().filter(|e| *e == "td").count(), 12);
}

#[test]
fn the_same_calls_give_the_same_page() {
    assert_eq!(hostile_page("a"), hostile_page("a"));
}

#[test]
#[ignore = "writes a sample page to the temporary folder, for eyes"]
fn sample() {
    use hallucinet::data::synth::face;
    let curve = |low: f64, noise: u64| -> Vec<(f64, f64)> {
        (1..=200)
            .map(|i| {
                (
                    f64::from(i) * 10.0,
                    low + 6.0 / (1.0 + f64::from(i) * 0.08) + 0.2 * ((u64::from(i as u32) * noise % 17) as f64 / 17.0),
                )
            })
            .collect()
    };
    let losses = [
        Series::new("softmax", curve(0.4, 7)),
        Series::new("center", curve(0.1, 5)),
        Series::new("pixel L2", curve(0.02, 3)),
    ];
    let mut axes = Axes { title: "Loss", x: "step", y: "loss (log)", y_scale: Scale::Logarithmic };
    let mut report = Report::new("hallucinet demo: faces seen from far away");
    report.facts(&[
        ("device", "cpu (2 threads, AVX2)"),
        ("seed", "7"),
        ("command", "hallucinet demo --out demo"),
        ("data", "60 synthetic people x 12 pictures"),
    ]);
    report
        .section("Training")
        .paragraph("The joint network learned on procedural faces. The curves show every tenth step.");
    report.chart(&charts::curves(&axes, &losses).unwrap(), "Losses of the joint run, batch 32.");
    (axes.title, axes.y, axes.y_scale) = ("Accuracy", "accuracy", Scale::Linear);
    report.chart(
        &charts::curves(&axes, &[Series::new("accuracy", vec![(0.0, 0.5), (100.0, 0.8), (200.0, 0.93)])]).unwrap(),
        "One line.",
    );
    let roc =
        |k: f64| (0..=300).map(|i| 10f64.powf(-4.0 + f64::from(i) / 75.0)).map(|far| (far, far.powf(k))).collect();
    report.chart(
        &charts::roc(
            "Verification",
            &[Series::new("HR", roc(0.03)), Series::new("bicubic", roc(0.13)), Series::new("joint", roc(0.07))],
        )
        .unwrap(),
        "6000 of 6000 pairs, 10 folds.",
    );
    report.section("Pictures");
    let faces: Vec<Vec<u8>> = (0..4).map(|i| face(9, i, 1)).collect();
    let small: Vec<Vec<u8>> = faces
        .iter()
        .map(|f| (0..28 * 24 * 3).map(|i| f[((i / 3 / 24 * 4 + 1) * 96 + i / 3 % 24 * 4 + 1) * 3 + i % 3]).collect())
        .collect();
    let rows: Vec<Vec<Tile>> = faces
        .iter()
        .zip(&small)
        .map(|(f, s)| {
            let hr = Tile { width: 96, height: 112, rgb: f };
            vec![Tile { width: 24, height: 28, rgb: s }, hr, hr, hr]
        })
        .collect();
    report
        .picture(
            &grid::sheet(&["LR 24x28", "bicubic", "hallucinated", "HR"], &rows).unwrap(),
            "Test people, never seen in training.",
        )
        .unwrap();
    report.section("Scores");
    let row = |cells: &[&str]| cells.iter().map(|c| c.to_string()).collect::<Vec<_>>();
    report.table(
        &["row", "PSNR[RGB]", "SSIM", "accuracy"],
        &[row(&["bicubic", "27.31", "0.8123", "81.2 ± 1.1 %"]), row(&["joint", "29.02", "0.8610", "88.0 ± 0.9 %"])],
        "Every number carries its recipe.",
    );
    report.code("hallucinet eval --model run/model --data test.pack --pairs pairs.txt");
    std::fs::write(std::env::temp_dir().join("report.html"), report.render()).unwrap();
}
