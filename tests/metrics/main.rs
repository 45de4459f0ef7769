//! The metrics against plain loops, closed forms and NumPy's numbers; the .npy writer and reader, and files made to hurt it.

mod interval;
mod npy;
mod paired;
mod pictures;
mod verification;
