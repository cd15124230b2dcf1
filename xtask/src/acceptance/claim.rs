//! One line of the table: what is claimed, and what was found.

use std::time::Duration;

/// What is claimed, its bound, what was measured, and whether that is within the bound.
#[derive(Debug)]
pub(crate) struct Claim {
    what: String,
    bound: String,
    measured: String,
    pub(crate) ok: bool,
}

impl Claim {
    /// Something either is so or is not.
    pub(crate) fn holds(what: &str, ok: bool) -> Self {
        Self::new(what, "yes".to_owned(), if ok { "yes" } else { "NO" }.to_owned(), ok)
    }

    pub(crate) fn at_most_bytes(what: &str, bound: u64, measured: u64) -> Self {
        Self::new(what, format!("< {}", bytes(bound)), bytes(measured), measured < bound)
    }

    /// The bound is inclusive.
    pub(crate) fn at_most(what: &str, bound: u64, measured: f64) -> Self {
        Self::new(what, format!("<= {bound}"), format!("{measured:.1}"), measured <= bound as f64)
    }

    /// How much of something else there is; the bound is inclusive.
    pub(crate) fn at_least(what: &str, bound: f64, measured: f64) -> Self {
        Self::new(what, format!(">= {bound:.2}"), format!("{measured:.2}"), measured >= bound)
    }

    /// A part of something that is not nothing, in percent. The bound is inclusive.
    pub(crate) fn at_least_part(what: &str, bound: f64, part: u64, whole: u64) -> Self {
        let percent = part as f64 * 100.0 / whole as f64;
        let measured = format!("{part} of {whole}, {percent:.2} %");
        Self::new(what, format!(">= {bound} %"), measured, percent >= bound)
    }

    /// Bytes as a part of others, in percent. The bound is inclusive.
    pub(crate) fn at_most_percent(what: &str, bound: f64, part: u64, whole: u64) -> Self {
        let percent = part as f64 * 100.0 / whole as f64;
        Self::new(what, format!("<= {bound} %"), format!("{percent:.2} %"), percent <= bound)
    }

    pub(crate) fn at_most_time(what: &str, bound: Duration, measured: Duration) -> Self {
        let text = |time: Duration| format!("{} ms", time.as_millis());
        Self::new(what, format!("< {}", text(bound)), text(measured), measured < bound)
    }

    /// A figure without a bound, for comparison from run to run.
    pub(crate) fn figure(what: &str, bytes_per_second: f64) -> Self {
        Self::new(what, String::new(), format!("{:.0} MB/s", bytes_per_second / 1e6), true)
    }

    /// A time without a bound.
    pub(crate) fn time(what: &str, measured: Duration) -> Self {
        Self::new(what, String::new(), format!("{} ms", measured.as_millis()), true)
    }

    fn new(what: &str, bound: String, measured: String, ok: bool) -> Self {
        Self { what: what.to_owned(), bound, measured, ok }
    }

    fn cells(&self) -> [&str; 4] {
        let verdict = match (self.ok, self.bound.is_empty()) {
            (false, _) => "BREACH",
            (true, true) => "",
            (true, false) => "ok",
        };
        [&self.what, &self.bound, &self.measured, verdict]
    }
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// Prints all claims, one a line.
pub(crate) fn print_table(claims: &[Claim]) {
    print!("{}", table(claims));
}

fn table(claims: &[Claim]) -> String {
    let mut rows = vec![["CLAIM", "BOUND", "MEASURED", "OK"]];
    rows.extend(claims.iter().map(Claim::cells));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |[what, bound, measured, verdict]: &[&str; 4]| {
        let [of_what, of_bound, of_measured] = widths;
        let line = format!("{what:<of_what$}  {bound:>of_bound$}  {measured:>of_measured$}  {verdict}");
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn the_table_tells_breaches_from_claims_that_are_met() {
        let claims = [
            Claim::holds("comes back", true),
            Claim::holds("comes back too", false),
            Claim::at_most_bytes("memory", 512 << 20, 512 << 20),
            Claim::at_most_bytes("bytes read", 1 << 20, 1000),
            Claim::at_most_time("time", Duration::from_millis(100), Duration::from_millis(99)),
            Claim::at_most("count", 16, 16.5),
            Claim::at_least("ratio", 0.7, 0.7),
            Claim::at_least("another ratio", 0.7, 0.69),
            Claim::at_least_part("shared", 98.0, 98, 100),
            Claim::at_least_part("nothing", 98.0, 0, 0),
            Claim::at_most_percent("recipe", 0.5, 6, 1000),
            Claim::figure("rate", 123.4e6),
            Claim::time("while", Duration::from_millis(1234)),
        ];
        assert_eq!(
            claims.iter().map(|claim| claim.ok).collect::<Vec<_>>(),
            [true, false, false, true, true, false, true, false, true, false, false, true, true]
        );
        let expected = expect![[r#"
            CLAIM                 BOUND            MEASURED  OK
            comes back              yes                 yes  ok
            comes back too          yes                  NO  BREACH
            memory          < 512.0 MiB           512.0 MiB  BREACH
            bytes read        < 1.0 MiB             1.0 KiB  ok
            time               < 100 ms               99 ms  ok
            count                 <= 16                16.5  BREACH
            ratio               >= 0.70                0.70  ok
            another ratio       >= 0.70                0.69  BREACH
            shared              >= 98 %  98 of 100, 98.00 %  ok
            nothing             >= 98 %       0 of 0, NaN %  BREACH
            recipe             <= 0.5 %              0.60 %  BREACH
            rate                                   123 MB/s
            while                                   1234 ms
        "#]];
        expected.assert_eq(&table(&claims));
    }
}
