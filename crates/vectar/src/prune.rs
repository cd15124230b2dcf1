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

/// Marks and removes in one go: prunes without grace, of which each removes what the one before has marked. One more when backups are
/// recorded afresh, because only the next one finds what they left.
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
    let mut sum = apply(plan(engine.repository(), &options)?)?;
    let rounds = if sum.rerecorded_backups > 0 { 2 } else { 1 };
    for _ in 0..rounds {
        sum += apply(plan(engine.repository(), &options)?)?;
    }
    Ok(sum)
}
