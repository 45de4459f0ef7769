//! The report: hostile text stays text, the page is whole and needs no network, sheets have the geometry they promise.

mod charts;
mod grid;
mod page;
mod wellformed;
