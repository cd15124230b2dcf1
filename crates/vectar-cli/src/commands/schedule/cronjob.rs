//! CronJobs of Kubernetes (`batch/v1`). Text of others is written as JSON strings, which YAML 1.2 takes as they are.

use std::io::Write as _;

use clap::Args;
use serde_json::json;

use super::job::{Job, JobArgs, jobs};
use crate::{context::Context, error::CliError, exit_code::ExitCode, output::stdout_failed};

/// Print CronJobs for Kubernetes
///
/// For ingest, forget, prune, check, drill and status, as one YAML text. The repository, the snapshots and the cache are volumes, by the names of
/// their claims; the cache holds chunk indexes, the engine of drills, and their reports. The image holds vectar, and for drills Python with its
/// venv module; the root file system is read-only, no home directory is needed, and a job never runs twice at once.
#[derive(Debug, Args)]
pub(crate) struct CronJobArgs {
    /// The image with vectar in it
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// The claim of the volume to which Qdrant writes its snapshots
    #[arg(long, value_name = "NAME", default_value = "qdrant-snapshots")]
    snapshots_claim: String,
    /// The claim of the volume of the repository
    #[arg(long, value_name = "NAME", default_value = "vectar-repository")]
    repository_claim: String,
    /// The claim of the volume for what can be had again
    #[arg(long, value_name = "NAME", default_value = "vectar-cache")]
    cache_claim: String,
    /// The namespace
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// Run as this user and group, by number
    #[arg(long, value_name = "UID", default_value_t = 1000)]
    user_id: u32,
    #[command(flatten)]
    jobs: JobArgs,
}

/// Runs the command.
pub(crate) fn run(args: &CronJobArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let jobs = jobs(&args.jobs, "/snapshots", "/cache/reports");
    let texts: Vec<String> = jobs.iter().map(|job| args.text(job)).collect();
    context.out().bytes().lock().write_all(texts.join("---\n").as_bytes()).map_err(stdout_failed)?;
    Ok(ExitCode::Done)
}

impl CronJobArgs {
    fn text(&self, job: &Job) -> String {
        let namespace =
            self.namespace.as_ref().map(|name| format!("  namespace: {}\n", json!(name))).unwrap_or_default();
        let mut mounts = vec![("repository", "/repository", false), ("cache", "/cache", false), ("tmp", "/tmp", false)];
        let mut volumes = vec![("repository", &self.repository_claim), ("cache", &self.cache_claim)];
        if job.reads_snapshots {
            mounts.push(("snapshots", "/snapshots", self.jobs.keep_source.is_none()));
            volumes.push(("snapshots", &self.snapshots_claim));
        }
        let mounts = mounts.iter().map(|(name, path, read_only)| {
            let only = if *read_only { ", readOnly: true" } else { "" };
            format!("                - {{name: {name}, mountPath: {path}{only}}}\n")
        });
        let volumes = volumes.iter().map(|(name, claim)| {
            format!("            - {{name: {name}, persistentVolumeClaim: {{claimName: {}}}}}\n", json!(claim))
        });
        format!(
            "# vectar: {what}\n\
             apiVersion: batch/v1\n\
             kind: CronJob\n\
             metadata:\n  name: vectar-{name}\n{namespace}\
             spec:\n  schedule: {schedule}\n  concurrencyPolicy: Forbid\n  startingDeadlineSeconds: 3600\n\
             \x20 successfulJobsHistoryLimit: 1\n  failedJobsHistoryLimit: 3\n\
             \x20 jobTemplate:\n    spec:\n      backoffLimit: 0\n      template:\n        spec:\n\
             \x20         restartPolicy: Never\n\
             \x20         # SIGTERM stops it where nothing is half-done.\n\
             \x20         terminationGracePeriodSeconds: 120\n\
             \x20         automountServiceAccountToken: false\n\
             \x20         securityContext:\n\
             \x20           runAsNonRoot: true\n            runAsUser: {user}\n            runAsGroup: {user}\n            fsGroup: {user}\n\
             \x20           fsGroupChangePolicy: OnRootMismatch\n            seccompProfile: {{type: RuntimeDefault}}\n\
             \x20         containers:\n\
             \x20           - name: vectar\n              image: {image}\n              command: [\"vectar\"]\n              args: {arguments}\n\
             \x20             env:\n\
             \x20               - {{name: VECTAR_REPO, value: /repository}}\n\
             \x20               - {{name: VECTAR_INDEX_DIR, value: /cache}}\n\
             \x20             securityContext:\n\
             \x20               allowPrivilegeEscalation: false\n                readOnlyRootFilesystem: true\n                capabilities: {{drop: [ALL]}}\n\
             \x20             volumeMounts:\n{mounts}\
             \x20         volumes:\n{volumes}\
             \x20           - {{name: tmp, emptyDir: {{}}}}\n",
            what = job.what,
            name = job.name,
            schedule = json!(job.cron),
            user = self.user_id,
            image = json!(self.image),
            arguments = json!(job.arguments),
            mounts = mounts.collect::<String>(),
            volumes = volumes.collect::<String>(),
        )
    }
}
