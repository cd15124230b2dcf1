//! CronJobs of Kubernetes (`batch/v1`). Text of others is written as JSON strings, which YAML 1.2 takes as they are.

use std::io::Write as _;

use clap::Args;
use serde_json::json;

use super::{
    global_options,
    job::{Job, JobArgs, Places, first_steps, jobs, parse_name},
};
use crate::{
    config_file::{ConfigFile, Profile},
    context::Context,
    error::CliError,
    exit_code::ExitCode,
    output::stdout_failed,
};

/// Print CronJobs for Kubernetes
///
/// For ingest, forget, prune, check, drill and status, as one YAML text. The repository, the snapshots and the cache are volumes, by the names of
/// their claims; the cache holds chunk indexes, the engine of drills, the shards they load, and their reports. The image holds vectar, and for
/// drills Python with its venv module; the root file system is read-only, no home directory is needed, and a job never runs twice at once. When
/// a profile is in use, its repository id, names and tags go along as a ConfigMap; so do --threads and --memory, as options.
#[derive(Debug, Args)]
pub(crate) struct CronJobArgs {
    /// The image with vectar in it
    #[arg(long, value_name = "IMAGE", value_parser = parse_name)]
    image: String,
    /// The claim of the volume to which Qdrant writes its snapshots
    #[arg(long, value_name = "NAME", default_value = "qdrant-snapshots", value_parser = parse_name)]
    snapshots_claim: String,
    /// The claim of the volume of the repository
    #[arg(long, value_name = "NAME", default_value = "vectar-repository", value_parser = parse_name)]
    repository_claim: String,
    /// The claim of the volume for what can be had again
    #[arg(long, value_name = "NAME", default_value = "vectar-cache", value_parser = parse_name)]
    cache_claim: String,
    /// The namespace
    #[arg(long, value_name = "NAME", value_parser = parse_name)]
    namespace: Option<String>,
    /// Run as this user and group, by number: who may read Qdrant's snapshots, and with --keep-source delete them
    #[arg(long, value_name = "UID", default_value_t = 1000)]
    user_id: u32,
    #[command(flatten)]
    jobs: JobArgs,
}

/// Where jobs find the configuration file.
const CONFIG: &str = "/etc/vectar";

/// Runs the command.
pub(crate) fn run(args: &CronJobArgs, context: &Context<'_>) -> Result<ExitCode, CliError> {
    let places = Places { snapshots: "/snapshots", reports: "/cache/reports", cache: "/cache" };
    let profile = context.profile_in_use().map(|(name, _)| name);
    let file = format!("{CONFIG}/config.toml");
    let global = global_options(profile.map(|name| (name, file.as_str())), context);
    let mut texts: Vec<String> = profile.iter().map(|name| args.config_map(name, context.profile())).collect();
    texts.extend(jobs(&args.jobs, &places, &global).iter().map(|job| args.text(job, profile.is_some())));
    context.out().bytes().lock().write_all(texts.join("---\n").as_bytes()).map_err(stdout_failed)?;
    let first_drill = "kubectl create job --from=cronjob/vectar-drill vectar-first-drill";
    first_steps(first_drill).iter().for_each(|step| context.out().note(step));
    Ok(ExitCode::Done)
}

impl CronJobArgs {
    fn namespace(&self) -> String {
        self.namespace.as_ref().map(|name| format!("  namespace: {}\n", json!(name))).unwrap_or_default()
    }

    /// The profile, without the directories, which are volumes.
    fn config_map(&self, name: &str, profile: &Profile) -> String {
        let profile = Profile { repo: None, index_dir: None, ..profile.clone() };
        let file = ConfigFile { default_profile: None, profiles: [(name.to_owned(), profile)].into() };
        let toml = toml::to_string(&file).expect("a profile is text under text keys");
        format!(
            "# vectar: the profile that was in use\n\
             apiVersion: v1\n\
             kind: ConfigMap\n\
             metadata:\n  name: vectar\n{namespace}\
             data:\n  config.toml: {toml}\n",
            namespace = self.namespace(),
            toml = json!(toml),
        )
    }

    /// Where a job's volumes are mounted, and what they are.
    fn volumes(&self, job: &Job, has_profile: bool) -> (String, String) {
        let mut mounts = vec![("repository", "/repository", false), ("cache", "/cache", false), ("tmp", "/tmp", false)];
        let mut volumes = vec![("repository", &self.repository_claim), ("cache", &self.cache_claim)];
        if job.reads_snapshots {
            mounts.push(("snapshots", "/snapshots", self.jobs.keep_source.is_none()));
            volumes.push(("snapshots", &self.snapshots_claim));
        }
        mounts.extend(has_profile.then_some(("config", CONFIG, true)));
        let mounts = mounts.iter().map(|(name, path, read_only)| {
            let only = if *read_only { ", readOnly: true" } else { "" };
            format!("                - {{name: {name}, mountPath: {path}{only}}}\n")
        });
        let volumes = volumes.iter().map(|(name, claim)| {
            format!("            - {{name: {name}, persistentVolumeClaim: {{claimName: {}}}}}\n", json!(claim))
        });
        let config = has_profile.then(|| "            - {name: config, configMap: {name: vectar}}\n".to_owned());
        (mounts.collect(), volumes.chain(config).collect())
    }

    fn text(&self, job: &Job, has_profile: bool) -> String {
        let (mounts, volumes) = self.volumes(job, has_profile);
        // A dollar sign begins a variable.
        let arguments: Vec<String> = job.arguments.iter().map(|argument| argument.replace('$', "$$")).collect();
        // fsGroup would hand Qdrant's own volume over to the group as well.
        let group = if job.reads_snapshots {
            format!("            supplementalGroups: [{}]\n", self.user_id)
        } else {
            format!("            fsGroup: {}\n            fsGroupChangePolicy: OnRootMismatch\n", self.user_id)
        };
        format!(
            "# vectar: {what}\n\
             apiVersion: batch/v1\n\
             kind: CronJob\n\
             metadata:\n  name: vectar-{name}\n{namespace}\
             spec:\n  schedule: {schedule}\n  concurrencyPolicy: Forbid\n  startingDeadlineSeconds: 3600\n\
             \x20 successfulJobsHistoryLimit: 1\n  failedJobsHistoryLimit: 3\n\
             \x20 jobTemplate:\n    spec:\n      backoffLimit: 0\n\
             \x20     # Stopped by SIGTERM, as when a node is drained, it has not failed: another pod takes its place.\n\
             \x20     podFailurePolicy:\n        rules:\n\
             \x20         - {{action: Ignore, onExitCodes: {{containerName: vectar, operator: In, values: [130]}}}}\n\
             \x20     template:\n        spec:\n          restartPolicy: Never\n\
             \x20         terminationGracePeriodSeconds: 120\n\
             \x20         automountServiceAccountToken: false\n\
             \x20         securityContext:\n\
             \x20           runAsNonRoot: true\n            runAsUser: {user}\n            runAsGroup: {user}\n{group}\
             \x20           seccompProfile: {{type: RuntimeDefault}}\n\
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
            namespace = self.namespace(),
            schedule = json!(job.cron),
            user = self.user_id,
            image = json!(self.image),
            arguments = json!(arguments),
        )
    }
}
