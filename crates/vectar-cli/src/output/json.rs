//! JSON Lines: one object a line, each with its version and type. Every type and field is described in `docs/json.md`.

use serde::Serialize;

/// Version of all lines. It rises only when a field changes its meaning or goes; new fields come without notice.
const LINE_VERSION: u32 = 1;

#[derive(Serialize)]
struct Line<'l, T> {
    v: u32,
    r#type: &'l str,
    #[serde(flatten)]
    value: &'l T,
}

/// Encodes one line, without its line feed.
pub(crate) fn line(kind: &str, value: &impl Serialize) -> String {
    let line = Line { v: LINE_VERSION, r#type: kind, value };
    serde_json::to_string(&line).expect("our lines have string keys and finite numbers")
}

#[cfg(test)]
mod tests {
    #[test]
    fn version_and_type_come_first() {
        let fields = std::collections::BTreeMap::from([("bytes", 5)]);
        assert_eq!(super::line("backup", &fields), r#"{"v":1,"type":"backup","bytes":5}"#);
    }
}
