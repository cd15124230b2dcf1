//! The filters that every selecting command takes.

use clap::Args;
use vectar::select::{Filter, parse_time};

use crate::error::CliError;

/// Which backups are meant.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Filters")]
pub(crate) struct SelectArgs {
    /// Only of this collection; a full snapshot counts when it contains it
    #[arg(long = "collection", id = "select_collection", value_name = "NAME")]
    pub(crate) collection: Option<String>,
    /// Only from this cluster
    #[arg(long = "cluster", id = "select_cluster", value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// Only from this node, by its name or peer id
    #[arg(long = "node", id = "select_node", value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Only those that hold this shard
    #[arg(long = "shard", id = "select_shard", value_name = "ID")]
    pub(crate) shard: Option<u32>,
    /// Only those with this tag
    #[arg(long = "tag", id = "select_tag", value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// Only those taken at or after this time
    ///
    /// 2026-11-20 (from the start of that day), 2026-11-20T16:24 or 2026-11-20T16:24:27Z; UTC unless it has an offset.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only those taken at or before this time
    ///
    /// 2026-11-20 (to the end of that day), 2026-11-20T16:24 or 2026-11-20T16:24:27Z; UTC unless it has an offset.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// Only the newest N of each collection, node, shard and kind
    #[arg(long, value_name = "N")]
    pub(crate) latest: Option<usize>,
}

impl SelectArgs {
    /// The filter these arguments ask for.
    pub(crate) fn filter(&self) -> Result<Filter, CliError> {
        let since = self.since.as_deref().map(|text| {
            // A day alone means its end to the engine; "since" a day includes the day.
            parse_time("--since", &format!("{text}T00:00")).or_else(|_| parse_time("--since", text))
        });
        let at = self.at.as_deref().map(|text| parse_time("--at", text));
        Ok(Filter {
            collection: self.collection.clone(),
            cluster: self.cluster.clone(),
            node: self.node.clone(),
            shard: self.shard,
            tag: self.tag.clone(),
            since: since.transpose()?,
            at: at.transpose()?,
            latest: self.latest,
        })
    }
}
