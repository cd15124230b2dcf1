//! The plan written down, for people and for a shell. Both say what the plan says and nothing of their own.

mod answer;
mod markdown;
mod quote;
mod script;

pub use markdown::markdown;
pub use script::script;

/// File name of the plan as JSON.
pub const PLAN_JSON: &str = "plan.json";
/// File name of the plan for people.
pub const PLAN_MARKDOWN: &str = "PLAN.md";
/// File name of the script.
pub const SCRIPT: &str = "restore.sh";
