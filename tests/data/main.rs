//! Tests of the data room: what comes out of image files, lists and packs, and what hostile ones do.

mod resample;
