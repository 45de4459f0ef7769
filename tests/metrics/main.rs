//! The metrics against plain loops, closed forms and NumPy's numbers; the .npy writer and reader, and files made to hurt it.

mod identification;
mod interval;
mod npy;
mod paired;
mod pictures;
mod projection;
mod verification;
