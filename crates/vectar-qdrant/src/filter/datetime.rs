//! The datetimes Qdrant reads, from filters and from payloads.
//!
//! Qdrant tries, in this order (`qdrant v1.19.0 lib/segment/src/types.rs`, `DateTimeWrapper`; chrono 0.4 does the work):
//!
//! ```text
//! RFC 3339, or looser: spaces between parts, "UTC", an offset without colon or without minutes
//! YYYY-MM-DDTHH:MM:SS[.f]±HH[[:]MM]     YYYY-MM-DD HH:MM:SS[.f]±HH[[:]MM]
//! YYYY-MM-DDTHH:MM:SS[.f]               YYYY-MM-DD HH:MM:SS[.f]            UTC
//! YYYY-MM-DDTHH:MM (since 1.18)         YYYY-MM-DD HH:MM                   UTC
//! YYYY-MM-DD                                                               UTC, midnight
//! ```
//!
//! chrono is looser than that looks, and payloads in the wild are too, so its habits are kept: blanks before every number;
//! fewer digits than shown, but not more; a year with a sign and any number of digits; the blank between date and time may
//! be missing or several; digits of a fraction beyond nine are skipped; second 60 is a leap second whatever the minute.

/// A moment, UTC. Ordered as chrono orders it: a leap second comes after 59.999… and before the next minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Datetime {
    /// Seconds since 1970, a leap second as the one before it.
    seconds: i64,
    /// Below 10⁹, or below 2·10⁹ in a leap second.
    nanos: u32,
}

/// What a form has between date and time, and behind the time.
#[derive(Clone, Copy)]
struct Form {
    separator: Separator,
    has_seconds: bool,
    zone: Zone,
}

#[derive(Clone, Copy, PartialEq)]
enum Separator {
    /// One of `T`, `t`, a blank.
    Loose,
    T,
    Blanks,
}

#[derive(Clone, Copy, PartialEq)]
enum Zone {
    /// `UTC` or an offset with minutes.
    Named,
    /// An offset, its minutes may be missing.
    Offset,
    None,
}

impl Datetime {
    /// Reads a datetime; `is_seconds_optional` says whether `2020-01-01T10:00` is one.
    pub(super) fn parse(text: &str, is_seconds_optional: bool) -> Option<Self> {
        use {Separator as S, Zone as Z};
        let form = |separator, has_seconds, zone| Form { separator, has_seconds, zone };
        let forms = [
            form(S::Loose, true, Z::Named),
            form(S::T, true, Z::Offset),
            form(S::Blanks, true, Z::Offset),
            form(S::T, true, Z::None),
            form(S::Blanks, true, Z::None),
            form(S::T, false, Z::None),
            form(S::Blanks, false, Z::None),
        ];
        let allowed = |form: &Form| is_seconds_optional || form.has_seconds || form.separator != Separator::T;
        forms.into_iter().filter(allowed).find_map(|form| form.parse(text)).or_else(|| {
            let mut rest = text;
            let days = date(&mut rest, false)?;
            rest.is_empty().then(|| Self { seconds: days * DAY_SECONDS, nanos: 0 })
        })
    }

    /// Microseconds since 1970, as an index stores it. In range: years are bounded.
    pub(super) fn micros(self) -> i64 {
        self.seconds * 1_000_000 + i64::from(self.nanos / 1000)
    }

    /// The same without what is below a microsecond.
    pub(super) fn cut_to_micros(self) -> Self {
        Self { nanos: self.nanos - self.nanos % 1000, ..self }
    }
}

const DAY_SECONDS: i64 = 86_400;

impl Form {
    fn parse(self, text: &str) -> Option<Datetime> {
        let is_loose = self.separator == Separator::Loose;
        let mut rest = text;
        let days = date(&mut rest, is_loose)?;
        match self.separator {
            Separator::Loose => rest = rest.strip_prefix(['T', 't', ' '])?,
            Separator::T => literal(&mut rest, 'T')?,
            Separator::Blanks => rest = rest.trim_start(),
        }
        let (seconds_of_day, nanos) = self.time(&mut rest, is_loose)?;
        let offset_seconds = match self.zone {
            Zone::None => 0,
            Zone::Named => {
                rest = rest.trim_start();
                match rest.get(..3) {
                    Some(name) if name.eq_ignore_ascii_case("UTC") => {
                        rest = &rest[3..];
                        0
                    }
                    _ => offset(&mut rest, false)?,
                }
            }
            Zone::Offset => {
                rest = rest.trim_start();
                offset(&mut rest, true)?
            }
        };
        if is_loose {
            rest = rest.trim_start();
        }
        if !rest.is_empty() || offset_seconds.abs() >= DAY_SECONDS {
            return None;
        }
        Some(Datetime { seconds: days * DAY_SECONDS + seconds_of_day - offset_seconds, nanos })
    }

    /// Seconds of the day and nanoseconds.
    fn time(self, rest: &mut &str, is_loose: bool) -> Option<(i64, u32)> {
        let hour = number(rest, 2, 0, 23)?;
        mark(rest, ':', is_loose)?;
        let minute = number(rest, 2, 0, 59)?;
        if !self.has_seconds {
            return Some((hour * 3600 + minute * 60, 0));
        }
        mark(rest, ':', is_loose)?;
        let second = number(rest, 2, 0, 60)?;
        let mut nanos = 0;
        if let Some(digits) = rest.strip_prefix('.') {
            *rest = digits;
            nanos = fraction(rest)?;
        }
        let leap_nanos = if second == 60 { 1_000_000_000 } else { 0 };
        Some((hour * 3600 + minute * 60 + second.min(59), nanos + leap_nanos))
    }
}

fn literal(rest: &mut &str, literal: char) -> Option<()> {
    *rest = rest.strip_prefix(literal)?;
    Some(())
}

/// A mark between parts; the loose form takes blanks before it.
fn mark(rest: &mut &str, mark: char, is_loose: bool) -> Option<()> {
    if is_loose {
        *rest = rest.trim_start();
    }
    literal(rest, mark)
}

/// At least one digit, at most `digits_max`.
fn digits(rest: &mut &str, digits_max: usize) -> Option<i64> {
    let len = rest.bytes().take(digits_max).take_while(u8::is_ascii_digit).count();
    let value = rest[..len].parse().ok()?;
    *rest = &rest[len..];
    Some(value)
}

fn number(rest: &mut &str, digits_max: usize, least: i64, most: i64) -> Option<i64> {
    *rest = rest.trim_start();
    digits(rest, digits_max).filter(|value| (least..=most).contains(value))
}

/// Nanoseconds of a fraction of a second.
fn fraction(rest: &mut &str) -> Option<u32> {
    let before = rest.len();
    let value = digits(rest, 9)?;
    let scale = 10_i64.pow(9 - (before - rest.len()) as u32);
    *rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    u32::try_from(value * scale).ok()
}

/// Days since 1970 of `YYYY-MM-DD`.
fn date(rest: &mut &str, is_loose: bool) -> Option<i64> {
    /// The years chrono can hold.
    const YEARS: std::ops::RangeInclusive<i64> = -262_143..=262_142;
    *rest = rest.trim_start();
    let year = if let Some(behind) = rest.strip_prefix('-') {
        *rest = behind;
        -digits(rest, usize::MAX)?
    } else if let Some(behind) = rest.strip_prefix('+') {
        *rest = behind;
        digits(rest, usize::MAX)?
    } else {
        digits(rest, 4)?
    };
    mark(rest, '-', is_loose)?;
    let month = number(rest, 2, 1, 12)?;
    mark(rest, '-', is_loose)?;
    let day = number(rest, 2, 1, 31)?;
    (YEARS.contains(&year) && day <= days_in(year, month)).then(|| days_since_1970(year, month, day))
}

fn days_in(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970 in the Gregorian calendar, years from March so that the leap day is the last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Seconds east of UTC: `Z`, or a sign, two digits of hours, colons and blanks, two digits of minutes.
fn offset(rest: &mut &str, is_minutes_optional: bool) -> Option<i64> {
    if let Some(behind) = rest.strip_prefix(['Z', 'z']) {
        *rest = behind;
        return Some(0);
    }
    let sign = if rest.starts_with('+') { 1 } else { -1 };
    *rest = rest.strip_prefix(['+', '-', '\u{2212}'])?;
    let hours = two_digits(rest)?;
    *rest = rest[2..].trim_start_matches(|c: char| c == ':' || c.is_whitespace());
    let minutes = if rest.is_empty() && is_minutes_optional {
        0
    } else {
        let minutes = two_digits(rest).filter(|minutes| *minutes < 60)?;
        *rest = &rest[2..];
        minutes
    };
    Some(sign * (hours * 3600 + minutes * 60))
}

fn two_digits(text: &str) -> Option<i64> {
    let digits = text.get(..2)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> Option<i64> {
        Datetime::parse(text, true).map(Datetime::micros)
    }

    #[test]
    fn all_forms_of_one_moment_are_equal() {
        let expected = Some(1_577_872_800_000_000);
        for text in [
            "2020-01-01T10:00:00Z",
            "2020-01-01t10:00:00z",
            "2020-01-01 10:00:00Z",
            "2020-01-01T10:00:00.000000Z",
            "2020-01-01T12:30:00+02:30",
            "2020-01-01T12:30:00 +02:30",
            "2020-01-01T12:30:00+0230",
            "2020-01-01T12:00:00+02",
            "2020-01-01T08:00:00\u{2212}02:00",
            "2020-01-01 10:00:00 UTC",
            "2020-01-01 10:00:00utc",
            "2020 - 1 - 1T10 : 0 : 0 Z ",
            "2020-01-01T10:00:00",
            "2020-01-01 10:00:00",
            "2020-01-01   10:00:00",
            "2020-01-0110:00:00",
            "2020-01-01T10:00",
            "2020-01-01 10:00",
            "2020-1-1 10:0",
            "+2020-01-01T10:00:00Z",
            " 2020-01-01T10:00:00Z",
            "2020-01-01T10:00:00.0000000009Z",
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
        assert_eq!(micros("2020-01-01"), Some(1_577_836_800_000_000));
        assert_eq!(micros("1969-12-31T23:59:59.999999Z"), Some(-1));
        assert_eq!(micros("0000-03-01"), Some(-62_162_035_200_000_000));
        assert_eq!(micros("-0004-02-29"), Some(-62_288_352_000_000_000));
    }

    #[test]
    fn other_texts_are_no_datetimes() {
        for text in [
            "",
            "2020",
            "2020-01",
            "20200101",
            "2020-01-01T",
            "2020-01-01T10",
            "2020-01-01t10:00:00",
            "2020-01-01 ",
            "2020-02-30",
            "2021-02-29",
            "2020-13-01",
            "2020-00-01",
            "2020-01-01T24:00:00Z",
            "2020-01-01T10:60:00Z",
            "2020-01-01T10:00:61Z",
            "2020-01-01T10:00:00.Z",
            "2020-01-01T10:00:00+24:00",
            "2020-01-01T10:00:00+02:60",
            "2020-01-01T10:00:00+2:00",
            "2020-01-01T10:00Z",
            "02020-01-01",
            "999999999999999999999-01-01",
            "+300000-01-01",
            "now",
            "1577872800",
            "2020-01-01T10:00:00Zjunk",
            "2020-01-01T10:00:0\u{0660}Z",
        ] {
            assert_eq!(micros(text), None, "{text}");
        }
        assert_eq!(Datetime::parse("2020-01-01T10:00", false), None, "not before 1.18");
        assert!(Datetime::parse("2020-01-01 10:00", false).is_some());
    }

    #[test]
    fn moments_below_a_microsecond_and_leap_seconds_have_an_order() {
        let moment = |text| Datetime::parse(text, true).unwrap();
        let precise = moment("2020-01-01T00:00:00.000000001Z");
        assert!(precise > moment("2020-01-01"));
        assert_eq!(precise.cut_to_micros(), moment("2020-01-01"));
        let leap = moment("2016-12-31T23:59:60.5Z");
        assert!(leap > moment("2016-12-31T23:59:59.999Z"));
        assert!(leap < moment("2017-01-01T00:00:00Z"));
        assert_eq!(leap.micros(), moment("2017-01-01T00:00:00.5Z").micros());
    }
}
