//! Tests of the public interface, one module per subject.

mod codecs;
mod cuts;
mod errors;
mod fills;
mod golden;
mod ids;
mod noise;
mod parameters;
mod planes;
mod records;
