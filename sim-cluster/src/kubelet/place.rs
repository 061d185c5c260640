//! Makes the place of a pod: its folders, and its volumes in them.

use std::{
    collections::BTreeMap,
    fs, io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    container::Place,
    cri::pod_folder,
    node::{Node, Objects},
    volume::{self, Credentials, Volume},
};
use crate::object::{at, list, name, namespace, text, uid};

/// Address, folders and volumes; the text of `FailedMount` otherwise.
pub(super) fn make(node: &Node, pod: &Value, address: Ipv4Addr) -> Result<Place, String> {
    let folder = node.pod_folder(uid(pod));
    let logs = pod_folder(&node.pods_folder(), namespace(pod), name(pod), uid(pod));
    for path in [&folder, &logs] {
        fs::create_dir_all(path)
            .map_err(|error| format!("cannot make the folder {}: {error}", path.display()))?;
    }
    let mut place = Place {
        address,
        volumes: BTreeMap::new(),
        service_account: None,
        kubeconfig: None,
        folder,
        logs,
    };
    for volume in list(pod, &["spec", "volumes"]) {
        let volume_name = text(volume, &["name"]);
        let folder = mount(node, pod, volume, &place, 1).map_err(|message| {
            format!("MountVolume.SetUp failed for volume \"{volume_name}\" : {message}")
        })?;
        place.volumes.insert(volume_name.to_owned(), folder);
    }
    if wants_token(node, pod) {
        let account = place.folder.join("service-account");
        lay_account(node, pod, &account, 1)?;
        let path = place.folder.join("kubeconfig");
        let server = format!("https://{}", node.site.config.api);
        let config = volume::kubeconfig(&server, &account, namespace(pod));
        fs::write(&path, config)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        place.service_account = Some(account);
        place.kubeconfig = Some(path);
    }
    Ok(place)
}

/// Links `/var/log/containers/<pod>_<namespace>_<container>-<id>.log` to the log of a run, as
/// kubelets do for agents that know no other layout.
pub(super) fn link_log(
    node: &Node,
    pod: &Value,
    container: &str,
    id: &str,
    log: &Path,
) -> io::Result<()> {
    let folder = node.folder.join("var/log/containers");
    fs::create_dir_all(&folder)?;
    let digits = id.rsplit('/').next().unwrap_or(id);
    let link = format!("{}_{}_{container}-{digits}.log", name(pod), namespace(pod));
    match std::os::unix::fs::symlink(log, folder.join(link)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    }
}

/// Removes the links of a pod whose logs are gone.
fn unlink_logs(folder: &Path, pod: &str, namespace: &str) -> io::Result<()> {
    let prefix = format!("{pod}_{namespace}_");
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_of_pod = entry.file_name().to_string_lossy().starts_with(&prefix);
        if is_of_pod && !entry.path().exists() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes volumes anew whose objects have changed.
pub(super) fn refresh(node: &Node, pod: &Value, place: &Place, generation: u64) {
    for volume in list(pod, &["spec", "volumes"]) {
        // What cannot be read now is left as it was.
        if let Err(message) = mount(node, pod, volume, place, generation) {
            tracing::debug!(
                volume = text(volume, &["name"]),
                message,
                "a volume is not refreshed"
            );
        }
    }
}

/// Removes a pod's folder, and its logs.
pub(super) async fn remove(node: &Node, pod: &Value) {
    let folder = node.pod_folder(uid(pod));
    let logs = pod_folder(&node.pods_folder(), namespace(pod), name(pod), uid(pod));
    let links = node.folder.join("var/log/containers");
    let (pod_name, pod_namespace) = (name(pod).to_owned(), namespace(pod).to_owned());
    let removed = tokio::task::spawn_blocking(move || {
        for path in [folder, logs] {
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %error, "the folder of a pod stays");
                }
                _ => {}
            }
        }
        if let Err(error) = unlink_logs(&links, &pod_name, &pod_namespace)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %links.display(), %error, "links to a pod's logs stay");
        }
    });
    if removed.await.is_err() {
        tracing::warn!(pod = name(pod), "the folders of a pod stay");
    }
}

fn mount(
    node: &Node,
    pod: &Value,
    written: &Value,
    place: &Place,
    generation: u64,
) -> Result<PathBuf, String> {
    let objects = Objects {
        client: &node.client,
        namespace: namespace(pod),
    };
    let account = Account { node, pod };
    let placed = node.placed(place.address);
    let volume_name = text(written, &["name"]);
    let below = |kind: &str| place.folder.join("volumes").join(kind).join(volume_name);
    let made = |path: PathBuf| {
        fs::create_dir_all(&path)
            .map_err(|error| format!("cannot make the folder {}: {error}", path.display()))?;
        Ok(path)
    };
    match volume::volume(pod, written, &placed, &objects, &account)? {
        Volume::Empty => made(below("kubernetes.io~empty-dir")),
        Volume::Host { path, kind } => host_path(&node.folder, &path, &kind),
        Volume::Claim(claim) => {
            node.client
                .get("persistentvolumeclaims", namespace(pod), &claim)
                .map_err(|error| error.message)?;
            made(
                node.site
                    .config
                    .root
                    .join("volumes")
                    .join(namespace(pod))
                    .join(claim),
            )
        }
        Volume::Written(files) => {
            let folder = below("kubernetes.io~written");
            if !volume::is_laid(&folder, &files) {
                volume::lay(&folder, &files, generation)
                    .map_err(|error| format!("cannot write {}: {error}", folder.display()))?;
            }
            Ok(folder)
        }
    }
}

/// A path of the node, below its own folder.
fn host_path(node: &Path, path: &str, kind: &str) -> Result<PathBuf, String> {
    let leads_out = Path::new(path)
        .components()
        .any(|part| matches!(part, std::path::Component::ParentDir));
    if leads_out {
        return Err("must not contain '..'".to_owned());
    }
    let here = node.join(path.trim_start_matches('/'));
    let failed = |error: io::Error| format!("cannot make {}: {error}", here.display());
    match kind {
        "" | "DirectoryOrCreate" if !here.exists() => fs::create_dir_all(&here).map_err(failed)?,
        "FileOrCreate" if !here.exists() => {
            let parent = here.parent().unwrap_or(node);
            fs::create_dir_all(parent).map_err(failed)?;
            fs::write(&here, "").map_err(failed)?;
        }
        "Directory" | "DirectoryOrCreate" if !here.is_dir() => {
            return Err(format!(
                "hostPath type check failed: {path} is not a directory"
            ));
        }
        "File" | "FileOrCreate" if !here.is_file() => {
            return Err(format!("hostPath type check failed: {path} is not a file"));
        }
        "Socket" | "CharDevice" | "BlockDevice" => {
            return Err(format!(
                "hostPath type check failed: {path} is not a {kind}"
            ));
        }
        _ => {}
    }
    Ok(here)
}

fn wants_token(node: &Node, pod: &Value) -> bool {
    let wish = at(pod, &["spec", "automountServiceAccountToken"]).as_bool();
    let of_account = || {
        let account = text(pod, &["spec", "serviceAccountName"]);
        let account = node
            .client
            .get("serviceaccounts", namespace(pod), account)
            .ok()?;
        account["automountServiceAccountToken"].as_bool()
    };
    node.site.config.tokens.is_some() && wish.or_else(of_account).unwrap_or(true)
}

fn lay_account(node: &Node, pod: &Value, folder: &Path, generation: u64) -> Result<(), String> {
    let files = volume::service_account(pod, &Account { node, pod })?;
    volume::lay(folder, &files, generation)
        .map_err(|error| format!("cannot write {}: {error}", folder.display()))
}

/// The service account of a pod.
struct Account<'a> {
    node: &'a Node,
    pod: &'a Value,
}

impl Credentials for Account<'_> {
    fn token(&self) -> Result<String, String> {
        let Some(tokens) = &self.node.site.config.tokens else {
            return Err("this cluster gives no tokens".to_owned());
        };
        let account = match text(self.pod, &["spec", "serviceAccountName"]) {
            "" => "default",
            account => account,
        };
        tokens(namespace(self.pod), account).map_err(|error| error.message)
    }

    fn authority(&self) -> String {
        self.node.site.config.authority.clone()
    }
}
