//! The words a configuration may choose from; each enum knows its spelling in files and on the command line, and nothing else.

use serde::{Deserialize, Serialize};

/// A closed choice that is written as one word.
pub trait Word: Copy + Sized + 'static {
    /// Every choice with its spelling, in the order the documentation lists them.
    const CHOICES: &'static [(&'static str, Self)];

    /// The choice spelled `word`, if there is one.
    fn from_word(word: &str) -> Option<Self> {
        Self::CHOICES.iter().find(|(spelling, _)| *spelling == word).map(|(_, choice)| *choice)
    }

    /// The spelling used in files and on the command line.
    fn word(&self) -> &'static str;
}

macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $choice:ident = $spelling:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $spelling)] $choice,)+ }

        impl Word for $name {
            const CHOICES: &'static [(&'static str, Self)] = &[$(($spelling, $name::$choice)),+];

            fn word(&self) -> &'static str {
                match self { $($name::$choice => $spelling),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words! {
    /// Which hallucination network stands in front of the recogniser (`[model] hallucinator`).
    Hallucinator {
        /// Bicubic first, residual units at 112x96: the paper default.
        Residual = "residual",
        /// Residual units at 28x24, then two transposed convolutions.
        Fast = "fast",
        /// SRCNN 9-1-5 on bicubic: the baseline the paper compares with.
        Srcnn = "srcnn",
    }
}

words! {
    /// How the convolutions inside residual units start (`[model] residual_init`).
    ResidualInit {
        /// N(0, 0.01^2), the recipe of caffe-face.
        Gaussian = "gaussian",
        /// N(0, 2 / fan_in) times `residual_scale`: learns in far fewer steps.
        He = "he",
    }
}

words! {
    /// Which bicubic makes the low-resolution picture (`[data] downsample`).
    Downsample {
        /// a = -0.5, antialiased, mirrored borders, one rounding at the end.
        Matlab = "matlab",
        /// Bit-equal to Pillow's BICUBIC.
        Pillow = "pillow",
        /// OpenCV's INTER_CUBIC: a = -0.75, no antialiasing.
        Opencv = "opencv",
    }
}

words! {
    /// How the class centers move (`[loss] center_update`).
    CenterUpdate {
        /// c -= center_rate dc, touched rows only (Wen et al., ECCV 2016).
        Wen = "wen",
        /// dc is the gradient of an SGD parameter: momentum, lr_mult 1, decay_mult 2, every row every step (caffe-face).
        Caffe = "caffe",
    }
}

words! {
    /// Where the class centers start (`[loss] center_init`).
    CenterInit {
        /// Uniform in +-sqrt(3 / features), Caffe's xavier.
        Uniform = "uniform",
        /// All zero.
        Zero = "zero",
    }
}

words! {
    /// What the numbers of activations and of their gradients are (`[train] precision`); weights, losses and sums are f32.
    Precision {
        /// 32 bits.
        F32 = "f32",
        /// 16 bits, 8 of them the exponent of f32: half the memory, and what tensor cores multiply.
        Bf16 = "bf16",
    }
}

words! {
    /// What is trained on what (`[train] mode`).
    Mode {
        /// The hallucinator alone, on the pixel loss.
        Hallucination = "hallucination",
        /// The recogniser alone, on high-resolution pictures.
        RecognitionHr = "recognition-hr",
        /// The recogniser alone, on bicubic up-sampled low-resolution pictures.
        RecognitionLr = "recognition-lr",
        /// The recogniser alone, on the output of a frozen hallucinator.
        RecognitionOnHallucinated = "recognition-on-hallucinated",
        /// Both networks, all three losses.
        Joint = "joint",
    }
}

impl Mode {
    /// Whether the hallucinator's weights move.
    pub fn trains_hallucinator(self) -> bool {
        matches!(self, Mode::Hallucination | Mode::Joint)
    }

    /// Whether the recogniser's weights move.
    pub fn trains_recognizer(self) -> bool {
        self != Mode::Hallucination
    }

    /// Whether the recogniser sees a picture that was of low resolution.
    pub fn recognizes_low(self) -> bool {
        self.trains_recognizer() && self != Mode::RecognitionHr
    }

    /// Whether the hallucinator is part of the graph, moving or frozen.
    pub fn runs_hallucinator(self) -> bool {
        matches!(self, Mode::Hallucination | Mode::RecognitionOnHallucinated | Mode::Joint)
    }
}

impl From<Downsample> for crate::resample::Flavour {
    fn from(word: Downsample) -> Self {
        match word {
            Downsample::Matlab => Self::Matlab,
            Downsample::Pillow => Self::Pillow,
            Downsample::Opencv => Self::Opencv,
        }
    }
}
