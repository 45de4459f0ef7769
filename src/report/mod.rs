//! Pictures, curves and tables in one HTML file that opens anywhere, offline.
//!
//! Pure functions from data to text and bytes: nothing here reads or writes a file, and nothing here knows what a model is.
//! [`html`] builds the page, [`charts`] its curves (also used alone, as SVG, in the run folder), [`grid`] its pictures.

mod axis;
pub mod charts;
mod font;
pub mod grid;
pub mod html;

pub use charts::{Axes, Chart, Scale, Series};
pub use grid::{Sheet, Tile};
pub use html::Report;
