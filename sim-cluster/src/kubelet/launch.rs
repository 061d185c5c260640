//! From a container's spec to a local process.
//!
//! Variables are expanded as they are in a real pod; after that, what only a real pod could resolve
//! is replaced. Reads the objects that the spec refers to and makes the container's folders.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use super::{
    container::Place,
    env,
    expand::expand,
    image::{self, Program},
    names::Names,
    node::{Node, Objects},
    process::Launch,
    volume::{self, SERVICE_ACCOUNT},
};
use crate::object::{list, name, namespace, text};

/// Of a termination message, as the kubelet cuts it.
const MESSAGE_BYTES: usize = 4096;

/// What to start for a container; the text of `CreateContainerConfigError` otherwise.
pub(super) fn prepare(
    node: &Node,
    pod: &Value,
    spec: &Value,
    program: &Program,
    place: &Place,
) -> Result<Launch, String> {
    let objects = Objects {
        client: &node.client,
        namespace: namespace(pod),
    };
    let services = node.services(namespace(pod));
    let config = &node.site.config;
    let services = env::of_services(pod, &services, config.api, config.ports);
    let placed = node.placed(place.address);
    let variables = env::environment(pod, spec, &placed, &services, &objects)?;
    let folder = container_folder(place, text(spec, &["name"]));
    let folders = folders(spec, place, &folder, &variables)?;
    let names = node.names(namespace(pod), folders);
    let words = |field: &str| -> Vec<String> {
        let words = list(spec, &[field]).iter().filter_map(Value::as_str);
        words
            .map(|word| names.rewrite(&expand(word, &variables)))
            .collect()
    };
    let (program, arguments) = image::command_line(
        text(spec, &["image"]),
        program,
        &words("command"),
        &words("args"),
    );
    let working = working_folder(text(spec, &["workingDir"]), &names, &folder);
    for path in [&folder.join("tmp"), &working] {
        fs::create_dir_all(path)
            .map_err(|error| format!("cannot make the folder {}: {error}", path.display()))?;
    }
    let mut rewritten: BTreeMap<String, String> = variables
        .iter()
        .map(|(name, value)| (name.clone(), names.rewrite(value)))
        .collect();
    let temporary = names.folder("/tmp").unwrap_or_else(|| folder.join("tmp"));
    let shown = |path: &Path| path.to_string_lossy().into_owned();
    let mut usual = vec![
        ("PATH", node.site.config.path.clone()),
        ("HOME", shown(&folder)),
        ("HOSTNAME", hostname(pod).to_owned()),
        ("TMPDIR", shown(&temporary)),
    ];
    if let Some(kubeconfig) = &place.kubeconfig {
        usual.push(("KUBECONFIG", shown(kubeconfig)));
    }
    for (name, value) in usual {
        rewritten.entry(name.to_owned()).or_insert(value);
    }
    Ok(Launch {
        program,
        arguments,
        variables: rewritten,
        folder: working,
    })
}

fn hostname(pod: &Value) -> &str {
    match text(pod, &["spec", "hostname"]) {
        "" => name(pod),
        hostname => hostname,
    }
}

/// What is `/` of a container as far as it is not mounted.
fn container_folder(place: &Place, container: &str) -> PathBuf {
    place.folder.join("containers").join(container)
}

/// All paths of the container that are elsewhere on this machine.
fn folders(
    spec: &Value,
    place: &Place,
    own: &Path,
    variables: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, PathBuf>, String> {
    let mut folders = volume::mounts(spec, &place.volumes, variables)?;
    for folder in folders.values() {
        // A sub path is made when it is first mounted; anything else is there already.
        if fs::symlink_metadata(folder).is_err() {
            fs::create_dir_all(folder)
                .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
        }
    }
    if let Some(account) = &place.service_account {
        folders
            .entry(SERVICE_ACCOUNT.to_owned())
            .or_insert_with(|| account.clone());
    }
    let message = message_path(spec).to_owned();
    folders
        .entry(message)
        .or_insert_with(|| own.join("termination-log"));
    Ok(folders)
}

fn working_folder(written: &str, names: &Names, own: &Path) -> PathBuf {
    let mounted = names.folder(written);
    mounted.unwrap_or_else(|| own.join(written.trim_start_matches('/')))
}

fn message_path(spec: &Value) -> &str {
    match text(spec, &["terminationMessagePath"]) {
        "" => "/dev/termination-log",
        path => path,
    }
}

/// What a container left as its last words.
pub(super) fn termination_message(spec: &Value, place: &Place, container: &str) -> String {
    let own = container_folder(place, container);
    let Ok(folders) = folders(spec, place, &own, &BTreeMap::new()) else {
        return String::new();
    };
    let names = Names {
        folders,
        ..Names::default()
    };
    let path = names.folder(message_path(spec));
    let mut bytes = path
        .and_then(|path| fs::read(path).ok())
        .unwrap_or_default();
    bytes.truncate(MESSAGE_BYTES);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What is done before a container is asked to end.
pub(super) enum Hook {
    Exec(Launch),
    Sleep(Duration),
}

/// The hook `preStop`. Of its kinds, `httpGet` is passed over.
pub(super) fn pre_stop(spec: &Value, launch: &Launch, second: Duration) -> Option<Hook> {
    let hook = &spec["lifecycle"]["preStop"];
    if let Some(seconds) = hook["sleep"]["seconds"].as_u64() {
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        return Some(Hook::Sleep(second.saturating_mul(seconds)));
    }
    let words = list(hook, &["exec", "command"])
        .iter()
        .filter_map(Value::as_str);
    let mut words = words.map(str::to_owned);
    let program = words.next()?.into();
    Some(Hook::Exec(Launch {
        program,
        arguments: words.collect(),
        ..launch.clone()
    }))
}
