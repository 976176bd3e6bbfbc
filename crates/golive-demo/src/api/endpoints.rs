//! Every route of the API as one list: what it is called, who may call it, what answers. The router and the OpenAPI
//! document are both made from it, so that neither can miss a route or its rule.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, patch, post, put};
use utoipa::PartialSchema;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Paths, RefOr, Required,
    ResponseBuilder,
};

use super::access::Permission;
use super::caller::{Access, gate};
use super::state::App;
use super::{
    admin, audit, auth, capacity, clients, dashboard, lookups, master_data, production, upload, users,
};

/// A route.
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    status: &'static str,
    summary: &'static str,
    body: Content,
    query: &'static [&'static str],
    handler: fn() -> MethodRouter<App>,
}

/// How a route is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Get,
    Post,
    Put,
    Patch,
}

/// What a route takes.
#[derive(Clone, Copy)]
enum Content {
    None,
    Json(fn() -> RefOr<Schema>),
    Csv,
}

impl Endpoint {
    const fn new(
        method: Method,
        path: &'static str,
        access: Access,
        handler: fn() -> MethodRouter<App>,
        summary: &'static str,
    ) -> Self {
        Self { method, path, access, status: "200", summary, body: Content::None, query: &[], handler }
    }

    const fn json(mut self, schema: fn() -> RefOr<Schema>) -> Self {
        self.body = Content::Json(schema);
        self
    }

    const fn csv(mut self) -> Self {
        self.body = Content::Csv;
        self
    }

    const fn query(mut self, names: &'static [&'static str]) -> Self {
        self.query = names;
        self
    }

    const fn answers(mut self, status: &'static str) -> Self {
        self.status = status;
        self
    }
}

use Access::{AnyLogin, Login, Needs, Public};
use Method::{Get, Patch, Post, Put};

/// The routes.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint::new(Post, "/api/auth/login", Public, || post(auth::login), "Log in").json(auth::Login::schema),
    Endpoint::new(Post, "/api/auth/refresh", Public, || post(auth::refresh), "Exchange a refresh token")
        .json(auth::Refresh::schema),
    Endpoint::new(Post, "/api/auth/logout", AnyLogin, || post(auth::logout), "End the session")
        .answers("204"),
    Endpoint::new(
        Post,
        "/api/auth/change-password",
        AnyLogin,
        || post(auth::change_password),
        "Change the password",
    )
    .json(auth::ChangePassword::schema),
    Endpoint::new(
        Post,
        "/api/auth/forgot-password",
        Public,
        || post(auth::forgot_password),
        "Ask for a new password",
    )
    .json(auth::ForgotPassword::schema)
    .answers("202"),
    Endpoint::new(Get, "/api/auth/me", Login, || get(auth::me), "The caller's account"),
    Endpoint::new(Get, "/api/clients", Login, || get(clients::selector), "Active tenants to choose from"),
    Endpoint::new(
        Get,
        "/api/clients/all",
        Needs(Permission::ManageClients),
        || get(clients::all),
        "Every tenant",
    ),
    Endpoint::new(
        Post,
        "/api/clients",
        Needs(Permission::ManageClients),
        || post(clients::create),
        "Make a tenant",
    )
    .json(clients::NewClient::schema)
    .answers("201"),
    Endpoint::new(
        Patch,
        "/api/clients/{id}",
        Needs(Permission::ManageClients),
        || patch(clients::change),
        "Change a tenant",
    )
    .json(clients::ClientChange::schema),
    Endpoint::new(Get, "/api/users", Needs(Permission::ManageUsers), || get(users::list), "Every account"),
    Endpoint::new(
        Post,
        "/api/users",
        Needs(Permission::ManageUsers),
        || post(users::create),
        "Make an account",
    )
    .json(users::NewUser::schema)
    .answers("201"),
    Endpoint::new(
        Patch,
        "/api/users/{id}",
        Needs(Permission::ManageUsers),
        || patch(users::change),
        "Change an account",
    )
    .json(users::UserChange::schema),
    Endpoint::new(
        Get,
        "/api/settings",
        Needs(Permission::ViewSettings),
        || get(admin::settings),
        "Platform settings",
    ),
    Endpoint::new(
        Get,
        "/api/config",
        Needs(Permission::ViewData),
        || get(lookups::config),
        "Configuration of a tenant",
    )
    .query(&["client_id"]),
    Endpoint::new(
        Get,
        "/api/thresholds",
        Needs(Permission::ViewData),
        || get(lookups::thresholds),
        "KPI thresholds",
    )
    .query(&["client_id"]),
    Endpoint::new(
        Put,
        "/api/thresholds",
        Needs(Permission::ManageThresholds),
        || put(lookups::set_threshold),
        "Set a KPI threshold",
    )
    .json(lookups::ThresholdInput::schema),
    Endpoint::new(
        Post,
        "/api/shifts",
        Needs(Permission::ManageMasterData),
        || post(master_data::create_shift),
        "Make a shift",
    )
    .json(master_data::NewShift::schema)
    .answers("201"),
    Endpoint::new(
        Get,
        "/api/shifts/mine",
        Needs(Permission::ViewData),
        || get(master_data::my_shift),
        "The caller's shift",
    ),
    Endpoint::new(
        Post,
        "/api/lines",
        Needs(Permission::ManageMasterData),
        || post(master_data::create_line),
        "Make a line",
    )
    .json(master_data::NewLine::schema)
    .answers("201"),
    Endpoint::new(
        Post,
        "/api/products",
        Needs(Permission::ManageMasterData),
        || post(master_data::create_product),
        "Make a product",
    )
    .json(master_data::NewProduct::schema)
    .answers("201"),
    Endpoint::new(
        Post,
        "/api/production-entries",
        Needs(Permission::EnterProduction),
        || post(production::create),
        "Enter production",
    )
    .json(production::NewEntry::schema)
    .answers("201"),
    Endpoint::new(
        Get,
        "/api/production-entries",
        Needs(Permission::ViewData),
        || get(production::list),
        "List production",
    )
    .query(&["client_id", "from", "to", "page"]),
    Endpoint::new(
        Post,
        "/api/production-entries/upload",
        Needs(Permission::EnterProduction),
        || post(upload::upload),
        "Enter a file of production",
    )
    .csv()
    .query(&["client_id"]),
    Endpoint::new(
        Get,
        "/api/kpi/dashboard",
        Needs(Permission::ViewData),
        || get(dashboard::dashboard),
        "KPIs and their trend",
    )
    .query(&["client_id", "from", "to"]),
    Endpoint::new(
        Post,
        "/api/capacity/analysis",
        Needs(Permission::RunCapacity),
        || post(capacity::analyze),
        "Analyze capacity",
    )
    .json(capacity::Question::schema),
    Endpoint::new(Get, "/api/audit-log", Needs(Permission::ViewAudit), || get(audit::list), "Who did what")
        .query(&["client_id", "limit", "since"]),
    Endpoint::new(
        Post,
        "/api/admin/raise-error",
        Needs(Permission::RaiseErrors),
        || post(admin::raise_error),
        "Fail on purpose",
    )
    .json(admin::RaiseError::schema)
    .answers("500"),
];

/// The routes, each behind its gate.
pub(crate) fn router(app: &App) -> Router<App> {
    ENDPOINTS.iter().fold(Router::new(), |router, endpoint| {
        let gate = from_fn_with_state((App::clone(app), endpoint.access), gate);
        router.route(endpoint.path, (endpoint.handler)().route_layer(gate))
    })
}

/// The OpenAPI document.
pub(crate) fn document() -> OpenApi {
    let mut paths = Paths::new();
    for endpoint in ENDPOINTS {
        let method = match endpoint.method {
            Get => HttpMethod::Get,
            Post => HttpMethod::Post,
            Put => HttpMethod::Put,
            Patch => HttpMethod::Patch,
        };
        paths.add_path_operation(endpoint.path, vec![method], operation(endpoint));
    }
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    OpenApiBuilder::new()
        .info(InfoBuilder::new().title("golive demo platform").version(env!("CARGO_PKG_VERSION")).build())
        .paths(paths)
        .components(Some(
            ComponentsBuilder::new().security_scheme("bearer", SecurityScheme::Http(bearer)).build(),
        ))
        .build()
}

fn operation(endpoint: &Endpoint) -> utoipa::openapi::path::Operation {
    let mut operation = OperationBuilder::new()
        .summary(Some(endpoint.summary))
        .response(endpoint.status, ResponseBuilder::new().description(endpoint.summary).build());
    let errors: &[(&str, &str)] = match endpoint.access {
        Public => &[("429", "too many requests")],
        AnyLogin | Login => &[("401", "not logged in"), ("503", "revocation or database unavailable")],
        Needs(_) => {
            &[("401", "not logged in"), ("403", "not allowed"), ("503", "revocation or database unavailable")]
        }
    };
    for (status, description) in errors {
        operation = operation.response(*status, ResponseBuilder::new().description(*description).build());
    }
    if endpoint.access != Public {
        operation = operation.security(SecurityRequirement::new::<_, [&str; 0], &str>("bearer", []));
    }
    let parameters = endpoint.query.iter().map(|name| parameter(name, ParameterIn::Query));
    let in_path = endpoint.path.contains("{id}").then(|| parameter("id", ParameterIn::Path));
    for parameter in parameters.chain(in_path) {
        operation = operation.parameter(parameter);
    }
    let (content_type, schema) = match endpoint.body {
        Content::None => return operation.build(),
        Content::Json(schema) => ("application/json", schema()),
        Content::Csv => ("text/csv", String::schema()),
    };
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let body =
        RequestBodyBuilder::new().content(content_type, content).required(Some(Required::True)).build();
    operation.request_body(Some(body)).build()
}

fn parameter(name: &str, place: ParameterIn) -> Parameter {
    let is_required = if place == ParameterIn::Path { Required::True } else { Required::False };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(is_required)
        .schema(Some(String::schema()))
        .build()
}
