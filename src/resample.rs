//! Bicubic resampling in its three flavours; a leaf: it knows slices and nothing else of the crate.
