//! Volumes as folders.
//!
//! What a volume holds is decided from the pod and from the objects that it refers to; [`lay`] only
//! writes it. Names of folders are those of a real node.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, symlink},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{
    downward::{self, Placed},
    env::{Referred, decoded},
};
use crate::object::{list, namespace, text};

/// Where a container finds the token of its service account when its pod says nothing of it.
pub(super) const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// One file of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
}

/// Files by their path in the volume.
pub(super) type Files = BTreeMap<String, Entry>;

/// What a volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Volume {
    /// A folder of the pod, gone with it.
    Empty,
    /// A path of the node; `kind` is the `type` of a `hostPath`.
    Host { path: String, kind: String },
    /// A folder of the cluster, by claim.
    Claim(String),
    /// Written from objects; written anew when they change.
    Written(Files),
}

/// What of the cluster a pod's files tell, beside objects.
pub(super) trait Credentials {
    /// A token of the pod's service account.
    fn token(&self) -> Result<String, String>;
    /// PEM.
    fn authority(&self) -> String;
}

/// What a volume of the pod is; the text of `FailedMount` otherwise.
pub(super) fn volume(
    pod: &Value,
    volume: &Value,
    placed: &Placed,
    referred: &dyn Referred,
    credentials: &dyn Credentials,
) -> Result<Volume, String> {
    if let Some(host) = volume.get("hostPath") {
        return Ok(Volume::Host {
            path: text(host, &["path"]).to_owned(),
            kind: text(host, &["type"]).to_owned(),
        });
    }
    if let Some(claim) = volume.get("persistentVolumeClaim") {
        return Ok(Volume::Claim(text(claim, &["claimName"]).to_owned()));
    }
    if let Some(projected) = volume.get("projected") {
        let mode = mode(projected, 0o644);
        let mut files = Files::new();
        for source in list(projected, &["sources"]) {
            files.extend(projection(
                pod,
                source,
                mode,
                placed,
                referred,
                credentials,
            )?);
        }
        return Ok(Volume::Written(files));
    }
    for (kind, named) in [("configMap", "name"), ("secret", "secretName")] {
        if let Some(source) = volume.get(kind) {
            let name = text(source, &[named]);
            let files = from_object(pod, kind, name, source, mode(source, 0o644), referred)?;
            return Ok(Volume::Written(files));
        }
    }
    if let Some(source) = volume.get("downwardAPI") {
        let files = from_downward(pod, source, mode(source, 0o644), placed)?;
        return Ok(Volume::Written(files));
    }
    // Kubernetes, too, takes a volume without a source for an empty one.
    let known = ["emptyDir", "name", "ephemeral"];
    let other = volume.as_object().into_iter().flatten();
    match other
        .map(|(key, _)| key)
        .find(|key| !known.contains(&key.as_str()))
    {
        None => Ok(Volume::Empty),
        Some(kind) => Err(format!("volumes of the kind {kind} are not simulated")),
    }
}

fn projection(
    pod: &Value,
    source: &Value,
    mode: u32,
    placed: &Placed,
    referred: &dyn Referred,
    credentials: &dyn Credentials,
) -> Result<Files, String> {
    for kind in ["configMap", "secret"] {
        if let Some(source) = source.get(kind) {
            return from_object(pod, kind, text(source, &["name"]), source, mode, referred);
        }
    }
    if let Some(source) = source.get("downwardAPI") {
        return from_downward(pod, source, mode, placed);
    }
    if let Some(source) = source.get("serviceAccountToken") {
        let bytes = credentials.token()?.into_bytes();
        let path = text(source, &["path"]).to_owned();
        return Ok(Files::from([(path, Entry { bytes, mode })]));
    }
    Err("a projected volume has a source that is not simulated".to_owned())
}

/// The volume that every pod gets for its service account.
pub(super) fn service_account(pod: &Value, credentials: &dyn Credentials) -> Result<Files, String> {
    let entry = |text: String| Entry {
        bytes: text.into_bytes(),
        mode: 0o644,
    };
    Ok(Files::from([
        ("token".to_owned(), entry(credentials.token()?)),
        ("ca.crt".to_owned(), entry(credentials.authority())),
        ("namespace".to_owned(), entry(namespace(pod).to_owned())),
    ]))
}

fn from_object(
    pod: &Value,
    kind: &str,
    name: &str,
    source: &Value,
    mode: u32,
    referred: &dyn Referred,
) -> Result<Files, String> {
    let (object, kind) = if kind == "secret" {
        (referred.secret(name), "secret")
    } else {
        (referred.config_map(name), "configmap")
    };
    let is_optional = source["optional"] == true;
    let Some(object) = object else {
        return if is_optional {
            Ok(Files::new())
        } else {
            Err(format!("{kind} \"{name}\" not found"))
        };
    };
    let mut all: BTreeMap<&str, Vec<u8>> = BTreeMap::new();
    let pairs = |field: &str| object[field].as_object().into_iter().flatten();
    for (key, value) in pairs("data") {
        let value = value.as_str().unwrap_or("");
        let bytes = if kind == "secret" {
            decoded(value).unwrap_or_default()
        } else {
            value.as_bytes().to_vec()
        };
        all.insert(key, bytes);
    }
    for (key, value) in pairs("binaryData") {
        all.insert(key, value.as_str().and_then(decoded).unwrap_or_default());
    }
    let items = list(source, &["items"]);
    if items.is_empty() {
        let file = |(key, bytes): (&str, Vec<u8>)| (key.to_owned(), Entry { bytes, mode });
        return Ok(all.into_iter().map(file).collect());
    }
    let mut files = Files::new();
    for item in items {
        let key = text(item, &["key"]);
        match all.get(key) {
            Some(bytes) => {
                let entry = Entry {
                    bytes: bytes.clone(),
                    mode: item_mode(item, mode),
                };
                files.insert(text(item, &["path"]).to_owned(), entry);
            }
            None if is_optional => {}
            None => {
                return Err(format!(
                    "{kind} references non-existent {kind} key: {}/{name}: {key}",
                    namespace(pod)
                ));
            }
        }
    }
    Ok(files)
}

fn from_downward(pod: &Value, source: &Value, mode: u32, placed: &Placed) -> Result<Files, String> {
    let mut files = Files::new();
    for item in list(source, &["items"]) {
        let written = if let Some(reference) = item.get("resourceFieldRef") {
            let named = text(reference, &["containerName"]);
            let container = list(pod, &["spec", "containers"])
                .iter()
                .find(|container| container["name"] == named)
                .ok_or_else(|| format!("there is no container {named:?}"))?;
            let resource = text(reference, &["resource"]);
            downward::resource(container, placed, resource, text(reference, &["divisor"]))?
        } else {
            downward::field(pod, placed, text(item, &["fieldRef", "fieldPath"]))?
        };
        let entry = Entry {
            bytes: written.into_bytes(),
            mode: item_mode(item, mode),
        };
        files.insert(text(item, &["path"]).to_owned(), entry);
    }
    Ok(files)
}

fn mode(source: &Value, default: u32) -> u32 {
    let written = source["defaultMode"].as_u64();
    written
        .and_then(|mode| u32::try_from(mode).ok())
        .unwrap_or(default)
}

fn item_mode(item: &Value, default: u32) -> u32 {
    let written = item["mode"].as_u64();
    written
        .and_then(|mode| u32::try_from(mode).ok())
        .unwrap_or(default)
}

/// The client configuration of a pod: what `kubectl` and client libraries read from `KUBECONFIG`.
/// The token is read from its file, as in a real pod.
pub(super) fn kubeconfig(server: &str, folder: &Path, namespace: &str) -> Vec<u8> {
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "pod",
        "clusters": [{ "name": "pod", "cluster": {
            "server": server,
            "certificate-authority": folder.join("ca.crt"),
        } }],
        "users": [{ "name": "pod", "user": { "tokenFile": folder.join("token") } }],
        "contexts": [{ "name": "pod", "context": {
            "cluster": "pod", "user": "pod", "namespace": namespace,
        } }],
    });
    config.to_string().into_bytes()
}

/// Writes files as the kubelet does: into a new folder to which `..data` is then turned in one
/// step, so that a reader never sees half of a change.
pub(super) fn lay(folder: &Path, files: &Files, generation: u64) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let current = format!("..{generation}");
    let target = folder.join(&current);
    fs::create_dir_all(&target)?;
    for (path, entry) in files {
        let path = target.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(entry.mode)
            .open(path)?;
        file.write_all(&entry.bytes)?;
    }
    let data = folder.join("..data");
    let before = fs::read_link(&data).ok();
    let turned = folder.join("..data_tmp");
    symlink(&current, &turned)?;
    fs::rename(&turned, &data)?;
    let tops: std::collections::BTreeSet<&str> = files
        .keys()
        .map(|path| path.split('/').next().unwrap_or(path))
        .collect();
    for top in &tops {
        let link = folder.join(top);
        if fs::symlink_metadata(&link).is_err() {
            symlink(Path::new("..data").join(top), &link)?;
        }
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("..") && !tops.contains(name.as_ref()) {
            fs::remove_file(entry.path())?;
        }
    }
    match before {
        Some(before) if before != Path::new(&current) => fs::remove_dir_all(folder.join(before)),
        _ => Ok(()),
    }
}

/// Whether a folder holds just these files.
pub(super) fn is_laid(folder: &Path, files: &Files) -> bool {
    fn count(folder: &Path) -> io::Result<usize> {
        let mut files = 0;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            files += if entry.file_type()?.is_dir() {
                count(&entry.path())?
            } else {
                1
            };
        }
        Ok(files)
    }
    let data = folder.join("..data");
    count(&data).is_ok_and(|there| there == files.len())
        && files
            .iter()
            .all(|(path, entry)| fs::read(data.join(path)).is_ok_and(|bytes| bytes == entry.bytes))
}

/// Mount paths of a container and the folders they are here.
pub(super) fn mounts(
    container: &Value,
    folders: &BTreeMap<String, PathBuf>,
    variables: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, PathBuf>, String> {
    let mut mounts = BTreeMap::new();
    for mount in list(container, &["volumeMounts"]) {
        let volume = text(mount, &["name"]);
        let folder = folders
            .get(volume)
            .ok_or_else(|| format!("there is no volume {volume:?}"))?;
        let sub_path = match text(mount, &["subPathExpr"]) {
            "" => text(mount, &["subPath"]).to_owned(),
            expression => super::expand::expand(expression, variables),
        };
        if Path::new(&sub_path)
            .components()
            .any(|part| !matches!(part, std::path::Component::Normal(_)))
        {
            return Err(format!("the sub path {sub_path:?} leads out of its volume"));
        }
        let folder = if sub_path.is_empty() {
            folder.clone()
        } else {
            folder.join(sub_path)
        };
        let path = text(mount, &["mountPath"]).trim_end_matches('/');
        if !path.is_empty() {
            mounts.insert(path.to_owned(), folder);
        }
    }
    Ok(mounts)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    struct Shelf;

    impl Referred for Shelf {
        fn config_map(&self, name: &str) -> Option<Arc<Value>> {
            (name == "app").then(|| {
                Arc::new(json!({ "data": { "a.yaml": "a: 1", "b": "2" }, "binaryData": { "c": "AAE=" } }))
            })
        }

        fn secret(&self, name: &str) -> Option<Arc<Value>> {
            (name == "keys").then(|| Arc::new(json!({ "data": { "token": "c2VjcmV0" } })))
        }
    }

    impl Credentials for Shelf {
        fn token(&self) -> Result<String, String> {
            Ok("t".to_owned())
        }

        fn authority(&self) -> String {
            "CA".to_owned()
        }
    }

    fn check(written: &Value, expected: &expect_test::Expect) {
        let pod =
            json!({ "metadata": { "name": "a-1", "namespace": "shop", "labels": { "x": "y" } } });
        let placed = Placed {
            pod_ip: String::new(),
            host_ip: String::new(),
            allocatable_cores: 1.0,
            allocatable_bytes: 1.0,
        };
        let said = match volume(&pod, written, &placed, &Shelf, &Shelf) {
            Ok(Volume::Written(files)) => files
                .iter()
                .map(|(path, entry)| {
                    let text = String::from_utf8_lossy(&entry.bytes);
                    format!("{path} {:o} {text:?}\n", entry.mode)
                })
                .collect(),
            Ok(other) => format!("{other:?}"),
            Err(error) => error,
        };
        expected.assert_eq(&said);
    }

    #[test]
    fn objects_become_files() {
        use expect_test::expect;
        check(
            &json!({ "name": "v", "configMap": { "name": "app" } }),
            &expect![[r#"
                a.yaml 644 "a: 1"
                b 644 "2"
                c 644 "\0\u{1}"
            "#]],
        );
        check(
            &json!({ "name": "v", "secret": { "secretName": "keys", "defaultMode": 256,
                "items": [{ "key": "token", "path": "x/y" }] } }),
            &expect![[r#"
                x/y 400 "secret"
            "#]],
        );
        check(
            &json!({ "name": "v", "projected": { "sources": [
                { "serviceAccountToken": { "path": "token" } },
                { "configMap": { "name": "app", "items": [{ "key": "b", "path": "b" }] } },
                { "downwardAPI": { "items": [
                    { "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } }] } },
            ] } }),
            &expect![[r#"
                b 644 "2"
                labels 644 "x=\"y\""
                token 644 "t"
            "#]],
        );
        check(&json!({ "name": "v", "emptyDir": {} }), &expect!["Empty"]);
    }

    #[test]
    fn what_cannot_be_mounted_is_said() {
        use expect_test::expect;
        check(
            &json!({ "name": "v", "configMap": { "name": "none" } }),
            &expect![[r#"configmap "none" not found"#]],
        );
        check(
            &json!({ "name": "v", "configMap": { "name": "app", "items": [{ "key": "x", "path": "x" }] } }),
            &expect!["configmap references non-existent configmap key: shop/app: x"],
        );
        check(
            &json!({ "name": "v", "nfs": { "server": "x" } }),
            &expect!["volumes of the kind nfs are not simulated"],
        );
        let escape =
            json!({ "volumeMounts": [{ "name": "v", "mountPath": "/a", "subPath": "../b" }] });
        let folders = BTreeMap::from([("v".to_owned(), PathBuf::from("/r"))]);
        assert!(mounts(&escape, &folders, &BTreeMap::new()).is_err());
    }

    #[test]
    fn files_are_written_anew_in_one_step() {
        let folder = tempfile::tempdir().unwrap();
        let files = |pairs: &[(&str, &str)]| -> Files {
            let entry = |text: &str| Entry {
                bytes: text.into(),
                mode: 0o644,
            };
            pairs
                .iter()
                .map(|(path, text)| ((*path).to_owned(), entry(text)))
                .collect()
        };
        let read = |path: &str| fs::read_to_string(folder.path().join(path)).ok();
        lay(folder.path(), &files(&[("a", "1"), ("d/b", "2")]), 1).unwrap();
        assert_eq!(
            (read("a"), read("d/b")),
            (Some("1".into()), Some("2".into()))
        );
        lay(folder.path(), &files(&[("a", "3"), ("c", "4")]), 2).unwrap();
        assert_eq!(
            (read("a"), read("c"), read("d/b")),
            (Some("3".into()), Some("4".into()), None)
        );
        assert!(!folder.path().join("..1").exists());
    }
}
