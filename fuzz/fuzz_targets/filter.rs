#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| vectar_tests::fuzzing::run("filter", input));
