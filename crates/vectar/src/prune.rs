//! Removing what no backup needs: planning and applying, and pruning at once for those who know that nobody else is there.

use jiff::SignedDuration;

pub use vectar_repository::prune::*;

use crate::{engine::Engine, error::Error};

/// Another client's last sign of life must be older than this for a prune without grace.
const QUIET_TIME: SignedDuration = SignedDuration::from_hours(24);

/// Refuses when another client was active within a day, or an ingest is under way: a prune without grace would take away what they
/// have just seen.
///
/// Clients are told apart by host name, which events carry.
///
/// # Errors
/// [`Error::OthersActive`]; what listing meets.
pub fn check_alone(engine: &Engine) -> Result<(), Error> {
    let repository = engine.repository();
    let environment = repository.environment();
    let (now, own) = (environment.now(), environment.client());
    let host = |client: &str| client.rsplit_once('/').map_or(client, |(host, _)| host).to_owned();
    let recent = repository
        .events()?
        .into_iter()
        .rfind(|event| host(&event.client) != host(&own) && now.duration_since(event.at) < QUIET_TIME);
    if let Some(event) = recent {
        return Err(Error::OthersActive { client: event.client, at: event.at });
    }
    match repository.intents()?.into_iter().next() {
        Some(intent) => Err(Error::OthersActive { client: intent.client, at: intent.started_at }),
        None => Ok(()),
    }
}

/// Marks and removes in one go: two prunes without grace, the second of which removes what the first has marked.
///
/// # Errors
/// As [`check_alone`], and as planning and applying.
pub fn prune_now(
    engine: &Engine,
    options: &PruneOptions,
    progress: &dyn Fn(PruneProgress) -> bool,
) -> Result<PruneStats, Error> {
    check_alone(engine)?;
    let options = PruneOptions { grace: SignedDuration::ZERO, ..*options };
    let apply = |plan: PrunePlan| plan.apply(engine.repository(), progress);
    let marked = apply(plan(engine.repository(), &options)?)?;
    let removed = apply(plan(engine.repository(), &options)?)?;
    Ok(PruneStats {
        removed_packs: marked.removed_packs + removed.removed_packs,
        removed_bytes: marked.removed_bytes + removed.removed_bytes,
        condemned_packs: marked.condemned_packs + removed.condemned_packs,
        condemned_bytes: marked.condemned_bytes + removed.condemned_bytes,
        written_bytes: marked.written_bytes + removed.written_bytes,
        expired_backups: marked.expired_backups + removed.expired_backups,
        unfinished_bytes: marked.unfinished_bytes + removed.unfinished_bytes,
        not_rewritten_packs: marked.not_rewritten_packs + removed.not_rewritten_packs,
    })
}
