//! Other programs' files: each written here a second time, independently, and read back exactly; and what broken and
//! hostile ones do, with an eye on memory.

mod caffemodel;
mod commands;
mod hostile;
mod lfw_bin;
mod memory;
mod net;
mod pickles;
mod recordio;
