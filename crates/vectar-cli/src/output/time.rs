//! Times for people: always UTC, always with `Z`; and spans of time from people.

use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// A moment to the second: `2026-11-20T16:24:27Z`.
pub(crate) fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// How long something is ago: `42s`, `17m`, `2h 05m`, `3d 04h`.
pub(crate) fn age(age: SignedDuration) -> String {
    let seconds = age.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m"),
        (0, _, _) => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {:02}h", hours % 24),
    }
}

/// Reads a span of time: `26h`, `30d`, `1h 30m`, `2 weeks`. A day has 24 hours; months and years have no length and are refused.
pub(crate) fn parse_age(text: &str) -> Result<SignedDuration, String> {
    let invalid = || format!("{text:?} is not a span of time such as 26h, 30d or 1h 30m");
    let span: Span = text.parse().map_err(|_| invalid())?;
    let relative = SpanRelativeTo::days_are_24_hours();
    let duration = span.to_duration(relative).map_err(|_| invalid())?;
    match duration.is_negative() {
        true => Err(invalid()),
        false => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_two_parts_at_most() {
        for (seconds, text) in [
            (-5, "0s"),
            (59, "59s"),
            (17 * 60, "17m"),
            (2 * 3600 + 5 * 60 + 59, "2h 05m"),
            (3 * 86_400 + 4 * 3600, "3d 04h"),
        ] {
            assert_eq!(age(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn spans_from_people() {
        for (text, hours) in [("26h", 26), ("30d", 720), ("1h 60m", 2), ("2 weeks", 336), ("1 day 2 hours", 26)] {
            assert_eq!(parse_age(text), Ok(SignedDuration::from_hours(hours)), "{text}");
        }
        for text in ["", "26", "1 month", "1y", "-5h", "5h ago", "soon"] {
            assert!(parse_age(text).is_err(), "{text}");
        }
    }
}
