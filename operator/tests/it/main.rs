//! The operator against an API server: the simulated one in this process, or a real one when
//! `KUBECONFIG_E2E` names a kubeconfig or `KUBEBUILDER_ASSETS` a folder with `etcd` and
//! `kube-apiserver`. The same tests, unchanged: no controllers run, the tests play
//! their part.

#![expect(
    clippy::unwrap_used,
    reason = "a test that meets an error where none belongs fails with it"
)]

mod access;
mod changes;
mod envtest;
mod experiments;
mod faults;
mod injected;
mod monitor;
mod onboarding;
mod people;
mod play;
mod policies;
mod settings;
mod several;
mod world;
