//! The platform as manifests: those that are checked in, and what holds for all.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use sim_services::mesh::pods::manifests::{File, Layout, files};
use sim_services::topology::Topology;

fn shop(layout: &Layout) -> Vec<File> {
    files(&Topology::shop(), layout).unwrap()
}

/// Every object of every file but kustomize's.
fn objects(files: &[File]) -> Vec<Value> {
    let resources = files
        .iter()
        .filter(|file| file.name != "kustomization.yaml");
    resources
        .flat_map(|file| file.text.split("\n---\n"))
        .map(|text| serde_saphyr::from_str(text).unwrap())
        .collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let of_kind = objects.iter().filter(|object| object["kind"] == kind);
    of_kind.collect()
}

#[test]
fn the_manifests_that_are_checked_in_are_those_of_the_topology() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/mesh");
    let files = shop(&Layout::default());
    let there: BTreeSet<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let made: BTreeSet<String> = files.iter().map(|file| file.name.clone()).collect();
    let again = "make them again: crosswatch sim manifests --output manifests/mesh";
    assert_eq!(there, made, "{again}");
    for file in files {
        let text = std::fs::read_to_string(folder.join(&file.name)).unwrap();
        assert!(text == file.text, "{} differs; {again}", file.name);
    }
}

#[test]
fn every_service_has_a_deployment_that_its_callers_can_find() {
    let topology = Topology::shop();
    let objects = objects(&shop(&Layout::default()));
    let address = |service: &Value| {
        let metadata = &service["metadata"];
        let name = |field: &str| metadata[field].as_str().unwrap().to_owned();
        format!(
            "http://{}.{}:{}",
            name("name"),
            name("namespace"),
            service["spec"]["ports"][0]["port"]
        )
    };
    let services = of_kind(&objects, "Service");
    let addresses: BTreeSet<String> = services.iter().copied().map(address).collect();
    let deployments = of_kind(&objects, "Deployment");
    assert_eq!(deployments.len(), topology.services.len() + 1);
    let mut peers = 0;
    for deployment in deployments {
        let pod = &deployment["spec"]["template"];
        assert_eq!(pod["metadata"]["labels"], deployment["metadata"]["labels"]);
        let arguments = pod["spec"]["containers"][0]["args"].as_array().unwrap();
        for argument in arguments.iter().filter_map(Value::as_str) {
            let Some(url) = argument.find("http://").map(|at| &argument[at..]) else {
                continue;
            };
            assert!(addresses.contains(url), "nobody is at {url}: {arguments:?}");
            peers += 1;
        }
    }
    assert!(peers > 30, "{peers}");
}

#[test]
fn pods_are_as_the_restricted_level_asks() {
    for deployment in of_kind(&objects(&shop(&Layout::default())), "Deployment") {
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let security = &container["securityContext"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        assert_eq!(pod["automountServiceAccountToken"], false);
        assert_eq!(security["allowPrivilegeEscalation"], false);
        assert_eq!(security["readOnlyRootFilesystem"], true);
        assert_eq!(security["capabilities"]["drop"][0], "ALL");
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let port = &container[probe]["httpGet"]["port"];
            let ports = container["ports"].as_array().unwrap();
            assert!(
                ports.iter().any(|listed| listed["name"] == *port),
                "{container}"
            );
        }
    }
}

#[test]
fn a_small_machine_gets_one_of_each_and_another_topology_comes_along() {
    let layout = Layout {
        replicas: Some(1),
        requests_per_second: Some(5.0),
        otlp: None,
        topology: Some("name: other\n".into()),
        ..Layout::default()
    };
    let objects = objects(&shop(&layout));
    for deployment in of_kind(&objects, "Deployment") {
        assert_eq!(deployment["spec"]["replicas"], 1);
        let pod = &deployment["spec"]["template"]["spec"];
        let text = pod.to_string();
        assert!(
            text.contains("--topology=/etc/mesh/topology.yaml"),
            "{text}"
        );
        assert!(!text.contains("OTEL_"), "{text}");
    }
    let configured: Vec<&Value> = of_kind(&objects, "ConfigMap");
    assert_eq!(configured.len(), of_kind(&objects, "Namespace").len());
    let control = serde_json::to_string(&objects).unwrap();
    assert!(control.contains("--requests-per-second=5"));
}
