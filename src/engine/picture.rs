//! A picture of any size to the 24x28 or 96x112 pixels that go into a network. Knows sizes, cuts and flavours of low resolution, nothing
//! of files.

use crate::data::align::{self, Alignment, Crop, Points};
use crate::data::image::Picture;
use crate::error::{Error, Result};
use crate::model::{Source, config};
use crate::resample::{Flavour, resize_u8};
use crate::shape::{HR, LR};

/// A picture in somebody's memory: rows of RGB bytes from top to bottom, nothing between them.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    width: usize,
    height: usize,
    rgb: &'a [u8],
    landmarks: Option<Points>,
}

impl<'a> Image<'a> {
    /// A picture of `width` x `height` pixels.
    ///
    /// # Errors
    /// `Shape` where `rgb` is not `3 * width * height` bytes, or none.
    pub fn new(width: usize, height: usize, rgb: &'a [u8]) -> Result<Self> {
        let bytes = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(3));
        match bytes == Some(rgb.len()) && !rgb.is_empty() {
            true => Ok(Image { width, height, rgb, landmarks: None }),
            false => Err(Error::Shape(format!("{} bytes are not a {width}x{height} RGB picture", rgb.len()))),
        }
    }

    /// With the face's five points, as a detector gives them: left eye, right eye, nose, left and right mouth corner (left of the
    /// picture), x then y in pixels, pixel centres at whole numbers from 0. They win over the model's own way of cutting.
    pub fn with_landmarks(self, points: Points) -> Self {
        Image { landmarks: Some(points), ..self }
    }

    fn picture(&self) -> Picture {
        Picture { width: self.width, height: self.height, rgb: self.rgb.to_vec() }
    }
}

impl<'a> From<&'a Picture> for Image<'a> {
    fn from(picture: &'a Picture) -> Self {
        Image { width: picture.width, height: picture.height, rgb: &picture.rgb, landmarks: None }
    }
}

/// A picture as a network takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// What errors call it.
    pub name: String,
    pub source: Source,
    /// What goes in: 24x28 for [`Source::Lr`], 96x112 for [`Source::Hr`].
    pub pixels: Picture,
    /// The 96x112 face, where a 24x28 picture was made of it.
    pub original: Option<Picture>,
    /// Height and width of a picture that was cut in the centre for want of anything better.
    pub centre_cut: Option<(usize, usize)>,
}

/// Prepares a picture. `input` of nothing goes by its size; `cut` makes a 96x112 face of any other size, and says whether it
/// took the centre. `name` is the picture's in errors.
///
/// # Errors
/// `Input` where a 24x28 picture is to be high resolution, and what `cut` says.
pub fn prepare(
    picture: Picture,
    name: &str,
    input: Option<Source>,
    flavour: Flavour,
    cut: impl FnOnce(&Picture) -> Result<(Picture, bool)>,
) -> Result<Prepared> {
    let size = (picture.height, picture.width);
    let named = |source, pixels, original, centre_cut| {
        Ok(Prepared { name: name.to_owned(), source, pixels, original, centre_cut })
    };
    let source = input.unwrap_or(if size == LR { Source::Lr } else { Source::Hr });
    if size == LR {
        return match source {
            Source::Lr => named(source, picture, None, None),
            Source::Hr => Err(Error::Input(format!(
                "{name}: a picture of 24x28 is no high-resolution face: give 96x112, or --input lr"
            ))),
        };
    }
    let (face, centred) = if size == HR { (picture, false) } else { cut(&picture)? };
    let centre_cut = centred.then_some(size);
    if source == Source::Hr {
        return named(source, face, None, centre_cut);
    }
    let mut low = vec![0; 3 * LR.0 * LR.1];
    resize_u8(flavour, &face.rgb, HR, &mut low, LR)?;
    named(source, Picture::new(LR.1, LR.0, low)?, Some(face), centre_cut)
}

/// Prepares a picture in memory: by its points, else as the model cuts faces.
///
/// # Errors
/// As [`prepare`], `Input` for a rectangle that is not inside the picture, for points that fit no face, and for a picture without points
/// where the model cuts by them.
pub fn prepare_image(image: &Image, name: &str, input: Option<Source>, stored: &config::Data) -> Result<Prepared> {
    let cut = |picture: &Picture| match (&image.landmarks, stored.crop, &stored.landmarks) {
        (Some(points), ..) => align::by_points(picture, points)
            .map(|face| (face, false))
            .ok_or_else(|| Error::Input(format!("{name}: its five points fit no face"))),
        (None, Some(crop), _) => align::prepare(picture, name, &Alignment::Crop(Crop::from(crop))),
        (None, None, None) => align::prepare(picture, name, &Alignment::None),
        (None, None, Some(_)) => Err(Error::Input(format!(
            "{name}: the model cuts faces by landmarks: give the picture's five points, or a face of 96x112"
        ))),
    };
    prepare(image.picture(), name, input, stored.downsample.into(), cut)
}
