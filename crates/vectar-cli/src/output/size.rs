//! Sizes for people, and from people.

use vectar::words::grouped;

const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// A size for tables: `512 B`, `1.23 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1024.0, 0);
    // 1023.995 would print as 1024.00.
    while value >= 1023.995 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.2} {}", UNITS[unit])
}

/// A size for sentences: `1.23 GiB (1,320,702,443 bytes)`.
pub(crate) fn size_long(bytes: u64) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        0..1024 => format!("{bytes} bytes"),
        _ => format!("{} ({} bytes)", size(bytes), grouped(bytes)),
    }
}

/// A number of things: `1 backup`, `1,200 backups`. The plural takes an s.
pub(crate) fn counted(number: u64, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", grouped(number))
}

/// Reads a size: `4096`, `500MB`, `20 GiB`, `1.5TiB`. `k`, `M`, `G`, `T` and `P` alone are binary, as in `KiB`. The result is exact:
/// a fraction that is no whole number of bytes is refused.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let invalid = || format!("{text:?} is not a size such as 4096, 500MB or 20GiB");
    let trimmed = text.trim();
    let unit_at = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(unit_at);
    let factor = factor(unit.trim()).ok_or_else(invalid)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    // Eighteen digits keep every product below 2^128.
    if whole.is_empty() || number.ends_with('.') || whole.len() > 20 || fraction.len() > 18 || fraction.contains('.') {
        return Err(invalid());
    }
    let scale = 10_u128.pow(u32::try_from(fraction.len()).map_err(|_| invalid())?);
    let digits: u128 = format!("{whole}{fraction}").parse().map_err(|_| invalid())?;
    let product = digits.checked_mul(factor).ok_or_else(invalid)?;
    if product % scale != 0 {
        return Err(format!("{text:?} is not a whole number of bytes"));
    }
    u64::try_from(product / scale).map_err(|_| format!("{text:?} is more than can be counted"))
}

fn factor(unit: &str) -> Option<u128> {
    let unit = unit.to_ascii_lowercase();
    if unit.is_empty() || unit == "b" {
        return Some(1);
    }
    let power = u32::try_from("kmgtp".find(unit.chars().next()?)?).ok()? + 1;
    // What was found is one byte long.
    match &unit[1..] {
        "" | "i" | "ib" => Some(1024_u128.pow(power)),
        "b" => Some(1000_u128.pow(power)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_and_never_show_a_thousand_of_a_unit() {
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1024), "1.00 KiB");
        assert_eq!(size(1_320_702_443), "1.23 GiB");
        assert_eq!(size(1024 * 1024 - 1), "1.00 MiB");
        assert_eq!(size(u64::MAX), "16384.00 PiB");
        assert_eq!(size_long(1_320_702_443), "1.23 GiB (1,320,702,443 bytes)");
        assert_eq!(size_long(0), "0 bytes");
        assert_eq!([0, 1, 1200].map(|number| counted(number, "pack")), ["0 packs", "1 pack", "1,200 packs"]);
    }

    #[test]
    fn sizes_from_people_are_exact() {
        for (text, bytes) in [
            ("4096", 4096),
            ("0", 0),
            ("500MB", 500_000_000),
            ("20GiB", 20 << 30),
            ("20 G", 20 << 30),
            ("1.5TiB", 3 << 39),
            ("1.5kB", 1500),
            ("7b", 7),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in
            ["", "GiB", "-1", "1.", ".5G", "1.2.3", "5 parsecs", "1e3", "1.0001kB", "18446744073709551616", "é", "5é"]
        {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
