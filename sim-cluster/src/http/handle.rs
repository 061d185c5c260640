//! One request: who asks, what meets it, whether it may, and who answers.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use hyper::{HeaderMap, Method, Request, Response};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::body::{self, Body};
use super::openapi::Documents;
use super::path::{self, ResourcePath, Target};
use super::query::Query;
use super::view::View;
use super::{discovery, evict, logs, read, review, watch, write};
use crate::access::User;
use crate::access::rbac::{Action, authorise};
use crate::client::Cluster;
use crate::faults::{Asked, Rule, Trouble};
use crate::registry::Served;
use crate::requests;
use crate::resource::ResourceId;
use crate::status::Status;
use crate::verbs::{self, FieldValidation};

/// Answers requests; shared by all connections.
#[derive(Debug)]
pub(super) struct Handler {
    pub(super) cluster: Cluster,
    pub(super) bookmark_every: Duration,
    pub(super) stop: CancellationToken,
    documents: Documents,
}

/// A request about a resource that is served, from somebody who may make it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) served: Arc<Served>,
    pub(super) path: ResourcePath,
    pub(super) query: Query,
    pub(super) view: View,
    pub(super) user: User,
    pub(super) trouble: Trouble,
    pub(super) content_type: String,
    pub(super) manager: String,
}

impl Call {
    /// As the verbs take it.
    pub(super) fn request(&self) -> Result<verbs::Request, Status> {
        Ok(verbs::Request {
            served: Arc::clone(&self.served),
            namespace: self.path.namespace.clone(),
            name: self.path.name.clone(),
            subresource: self.path.subresource.clone(),
            user: self.user.name.clone(),
            manager: self.manager.clone(),
            field_validation: FieldValidation::parse(self.query.text("fieldValidation"))?,
            dry_run: self.query.dry_run()?,
        })
    }

    /// The namespace that it is about, if it is about one.
    pub(super) fn namespace(&self) -> Option<&str> {
        Some(self.path.namespace.as_str()).filter(|namespace| !namespace.is_empty())
    }
}

impl Handler {
    pub(super) fn new(
        cluster: Cluster,
        bookmark_every: Duration,
        stop: CancellationToken,
    ) -> Handler {
        Handler {
            cluster,
            bookmark_every,
            stop,
            documents: Documents::default(),
        }
    }

    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (head, incoming) = request.into_parts();
        let target = path::parse(head.uri.path());
        let query = Query::parse(head.uri.query());
        let mut counted = requests::Request {
            user: String::new(),
            verb: verb(&head.method, &target, &query).to_owned(),
            group: String::new(),
            resource: String::new(),
            subresource: String::new(),
            code: 0,
        };
        if let Target::Resource(path) = &target {
            counted.group.clone_from(&path.group);
            counted.resource.clone_from(&path.plural);
            counted.subresource.clone_from(&path.subresource);
        }
        let outcome = match self.authenticate(&head.headers) {
            Ok(user) => {
                counted.user.clone_from(&user.name);
                self.dispatch(&head, target, query, user, &counted.verb, incoming)
                    .await
            }
            Err(status) => Err(status),
        };
        let response = outcome.unwrap_or_else(|status| body::refusal(&status));
        counted.code = response.status().as_u16();
        self.cluster.requests().count(counted);
        response
    }

    async fn dispatch(
        &self,
        head: &hyper::http::request::Parts,
        target: Target,
        query: Query,
        user: User,
        verb: &str,
        incoming: Incoming,
    ) -> Result<Response<Body>, Status> {
        let trouble = self.meet(&target, &user, verb).await?;
        match target {
            Target::Other(path) => {
                let action = Action::Path {
                    verb: verb.to_owned(),
                    path: path.clone(),
                };
                authorise(&self.cluster, &user, &action)?;
                self.answer_other(head, &path, incoming).await
            }
            Target::Resource(path) => {
                let action = Action::Resource {
                    verb: verb.to_owned(),
                    group: path.group.clone(),
                    resource: path.with_subresource(),
                    // A namespace is within itself, as far as roles are concerned.
                    namespace: match path.plural.as_str() {
                        "namespaces" if path.group.is_empty() => path.name.clone(),
                        _ => path.namespace.clone(),
                    },
                    name: path.name.clone(),
                };
                authorise(&self.cluster, &user, &action)?;
                let registry = self.cluster.registry();
                let served = registry.at(&path.group, &path.version, &path.plural);
                let served = served.cloned().ok_or_else(not_served)?;
                if !served.resource.namespaced && !path.namespace.is_empty() {
                    return Err(not_served());
                }
                let header = |name| {
                    head.headers
                        .get(name)
                        .and_then(|it| it.to_str().ok())
                        .unwrap_or("")
                        .to_owned()
                };
                let manager = match query.text("fieldManager") {
                    "" => header(USER_AGENT)
                        .split('/')
                        .next()
                        .unwrap_or("")
                        .to_owned(),
                    manager => manager.to_owned(),
                };
                let call = Call {
                    view: View::wanted(&header(ACCEPT)),
                    content_type: header(CONTENT_TYPE),
                    served,
                    path,
                    query,
                    user,
                    trouble,
                    manager,
                };
                self.answer_resource(&head.method, verb, call, incoming)
                    .await
            }
        }
    }

    async fn answer_resource(
        &self,
        method: &Method,
        verb: &str,
        call: Call,
        incoming: Incoming,
    ) -> Result<Response<Body>, Status> {
        let cluster = &self.cluster;
        let known = known_subresource(&call.served, &call.path.subresource);
        if !known {
            return Err(not_served());
        }
        match verb {
            "watch" => return watch::start(self, call),
            "list" => return read::list(cluster, &call),
            "get" if call.path.subresource == "log" => {
                let request = verbs::Request {
                    subresource: String::new(),
                    ..call.request()?
                };
                let pod = verbs::get(cluster, &request)?;
                return logs::open(cluster, &pod, &call.query);
            }
            "get" => return read::get(cluster, &call),
            _ => {}
        }
        let bytes = body::read(incoming).await?;
        match *method {
            Method::DELETE => write::delete(cluster, &call, &bytes, verb == "deletecollection"),
            Method::POST => {
                let sent = body::parse(&bytes, &call.content_type)?;
                match call.path.subresource.as_str() {
                    "token" => review::token_request(cluster, &call, sent),
                    "eviction" => evict::evict(cluster, &call, &sent),
                    "binding" => write::bind(cluster, &call, &sent),
                    "" if call.served.resource.kind == "Binding" => {
                        write::bind(cluster, &call, &sent)
                    }
                    "" if call.served.is_question => review::answer(cluster, &call, sent),
                    "" if call.path.name.is_empty() => write::create(cluster, &call, sent),
                    _ => Err(Status::method_not_allowed()),
                }
            }
            Method::PUT => write::update(cluster, &call, body::parse(&bytes, &call.content_type)?),
            Method::PATCH => write::patch(cluster, &call, &bytes),
            _ => Err(Status::method_not_allowed()),
        }
    }

    async fn answer_other(
        &self,
        head: &hyper::http::request::Parts,
        path: &str,
        incoming: Incoming,
    ) -> Result<Response<Body>, Status> {
        if path == "/crosswatch/faults" && head.method == Method::PUT {
            let bytes = body::read(incoming).await?;
            let rules: Vec<Rule> = serde_json::from_slice(&bytes).map_err(|error| {
                Status::bad_request(format!("the body is no list of faults: {error}"))
            })?;
            self.cluster.put_faults(rules);
        } else if head.method != Method::GET && head.method != Method::HEAD {
            return Err(Status::method_not_allowed());
        }
        let accept = head
            .headers
            .get(ACCEPT)
            .and_then(|it| it.to_str().ok())
            .unwrap_or("");
        match path {
            "/healthz" | "/livez" | "/readyz" => Ok(body::answer(
                200,
                "text/plain; charset=utf-8",
                body::full("ok"),
            )),
            "/metrics" => {
                let text = self.cluster.requests().metrics();
                Ok(body::answer(
                    200,
                    "text/plain; version=0.0.4",
                    body::full(text),
                ))
            }
            "/crosswatch/faults" => {
                let rules = serde_json::to_value(self.cluster.faults_in_force());
                let rules = rules.map_err(|error| Status::internal(error.to_string()))?;
                Ok(body::json(200, &rules))
            }
            _ => {
                let registry = self.cluster.registry();
                self.documents
                    .answer(&registry, path)
                    .or_else(|| discovery::answer(&registry, path, accept))
                    .ok_or_else(not_served)
            }
        }
    }

    /// Faults that were asked for; requests about them are spared, so that they can be ended.
    async fn meet(&self, target: &Target, user: &User, verb: &str) -> Result<Trouble, Status> {
        let resource = match target {
            Target::Other(path) if path == "/crosswatch/faults" => return Ok(Trouble::default()),
            Target::Other(_) => String::new(),
            Target::Resource(path) => ResourceId {
                group: path.group.clone(),
                plural: path.plural.clone(),
            }
            .to_string(),
        };
        let asked = Asked {
            user: &user.name,
            verb,
            resource: &resource,
        };
        let trouble = self.cluster.faults().meet(&asked, self.cluster.now());
        if !trouble.delay.is_zero() {
            tokio::time::sleep(trouble.delay).await;
        }
        if let Some(seconds) = trouble.too_many_requests {
            return Err(Status::too_many_requests(seconds));
        }
        if trouble.internal_error {
            return Err(Status::internal(
                "an error on request (a fault is in force)",
            ));
        }
        Ok(trouble)
    }

    fn authenticate(&self, headers: &HeaderMap) -> Result<User, Status> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let user = match text(AUTHORIZATION.as_str()) {
            None => User::anonymous(),
            Some(written) => {
                let token = written
                    .strip_prefix("Bearer ")
                    .ok_or_else(Status::unauthorized)?;
                self.cluster
                    .user_of_token(token.trim())
                    .ok_or_else(Status::unauthorized)?
            }
        };
        let Some(name) = text("impersonate-user") else {
            return Ok(user);
        };
        let groups: Vec<String> = headers
            .get_all("impersonate-group")
            .iter()
            .filter_map(|value| value.to_str().ok())
            .map(str::to_owned)
            .collect();
        self.impersonate(&user, name, groups)
    }

    fn impersonate(&self, user: &User, name: &str, groups: Vec<String>) -> Result<User, Status> {
        let may = |resource: &str, namespace: &str, name: &str| {
            let action = Action::Resource {
                verb: "impersonate".to_owned(),
                group: String::new(),
                resource: resource.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            };
            authorise(&self.cluster, user, &action)
        };
        match name
            .strip_prefix("system:serviceaccount:")
            .and_then(|rest| rest.split_once(':'))
        {
            Some((namespace, account)) => may("serviceaccounts", namespace, account)?,
            None => may("users", "", name)?,
        }
        let mut other = User::named(name);
        for group in groups {
            may("groups", "", &group)?;
            other.groups.push(group);
        }
        Ok(other)
    }
}

fn verb(method: &Method, target: &Target, query: &Query) -> &'static str {
    let one = match target {
        Target::Other(_) => true,
        Target::Resource(path) => !path.name.is_empty(),
    };
    match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if one => "delete",
        Method::DELETE => "deletecollection",
        _ if matches!(target, Target::Resource(_)) && query.truth("watch") => "watch",
        _ if one => "get",
        _ => "list",
    }
}

fn known_subresource(served: &Served, subresource: &str) -> bool {
    let kind = served.resource.kind.as_str();
    match subresource {
        "" => true,
        "status" => served.resource.has_status,
        "scale" => served.resource.scale.is_some(),
        "log" | "binding" | "eviction" => kind == "Pod" && !served.is_custom(),
        "token" => kind == "ServiceAccount" && !served.is_custom(),
        "finalize" => kind == "Namespace" && !served.is_custom(),
        _ => false,
    }
}

/// As the API server answers paths that it does not have.
pub(super) fn not_served() -> Status {
    Status {
        code: 404,
        reason: "NotFound",
        message: "the server could not find the requested resource".to_owned(),
        details: Value::Null,
    }
}
