//! The typed client against the site, over a real connection: each understands the other.

use monitor_api::{
    AlertsQuery, AnomaliesQuery, ApisQuery, Client, ClientError, FacetsQuery, HistogramQuery,
    IncidentsQuery, Order, SearchQuery, ServicesQuery, StreamsQuery, TailMessage, TailQuery,
    TemplatesQuery, TraceQuery,
};
use monitor_serve::receive::Auth;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::usual;

/// A site that asks for the token `s3cret`, and its address.
async fn serve() -> (String, CancellationToken) {
    let stop = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let auth = Auth::decide(address, vec!["s3cret".to_owned()]).unwrap();
    let router = monitor_serve::router(usual().ports, stop.clone(), |data| auth.protect(data));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (format!("http://{address}/"), stop)
}

#[tokio::test]
async fn every_answer_is_understood() {
    let (address, _stop) = serve().await;
    let client = Client::new(&address, Some("s3cret")).unwrap();
    assert_eq!(client.status().await.unwrap().counts.apis, 7);
    let anomalous = ApisQuery {
        state: Some("anomalous,silent".to_owned()),
        ..ApisQuery::default()
    };
    let apis = client.apis(&anomalous).await.unwrap();
    assert_eq!(apis.total, 3);
    let detail = client.api(&apis.items[0].id).await.unwrap();
    assert_eq!((detail.anomalies.len(), detail.alerts.len()), (1, 1));
    assert_eq!(
        client
            .services(&ServicesQuery::default())
            .await
            .unwrap()
            .total,
        5
    );
    assert_eq!(client.environments().await.unwrap().total, 3);
    let open = AnomaliesQuery {
        open: Some(true),
        ..AnomaliesQuery::default()
    };
    let anomalies = client.anomalies(&open).await.unwrap().items;
    assert_eq!(anomalies.len(), 2);
    assert_eq!(
        client.anomaly(&anomalies[0].id).await.unwrap(),
        anomalies[0]
    );
    let open = IncidentsQuery {
        open: Some(true),
        ..IncidentsQuery::default()
    };
    let incidents = client.incidents(&open).await.unwrap().items;
    assert_eq!(incidents.len(), 1);
    assert_eq!(
        client.incident(&incidents[0].id).await.unwrap(),
        incidents[0]
    );
    assert_eq!(
        client.alerts(&AlertsQuery::default()).await.unwrap().total,
        1
    );
    assert_eq!(
        client
            .streams(&StreamsQuery::default())
            .await
            .unwrap()
            .total,
        3
    );
    assert_eq!(
        client
            .templates(&TemplatesQuery::default())
            .await
            .unwrap()
            .total,
        2
    );

    let search = SearchQuery {
        query: "lock wait".to_owned(),
        order: Some(Order::Oldest),
        ..SearchQuery::default()
    };
    let record = client.search(&search).await.unwrap().records.remove(0);
    assert_eq!(record.attributes["attempt"], 1);
    let trace = client
        .trace(&record.trace_id.unwrap(), &TraceQuery::default())
        .await
        .unwrap();
    assert_eq!(trace.records.len(), 3);
    let histogram = client.histogram(&HistogramQuery::default()).await.unwrap();
    assert_eq!(
        histogram
            .buckets
            .iter()
            .map(|bucket| bucket.records)
            .sum::<u64>(),
        5
    );
    let facets = FacetsQuery {
        field: "service".to_owned(),
        ..FacetsQuery::default()
    };
    assert_eq!(client.facets(&facets).await.unwrap().values[0].records, 2);
}

#[tokio::test]
async fn a_tail_is_followed_to_its_end() {
    let (address, stop) = serve().await;
    let client = Client::new(&address, Some("s3cret")).unwrap();
    let query = TailQuery {
        query: "service:gateway".to_owned(),
        from: Some("-1m".to_owned()),
    };
    let mut tail = client.tail(&query).await.unwrap();
    for expected in ["40-0", "40-4"] {
        let Some(TailMessage::Record(record)) = tail.next().await.unwrap() else {
            panic!()
        };
        assert_eq!(record.id, expected);
    }
    stop.cancel();
    assert_eq!(tail.next().await.unwrap(), None);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_words() {
    let (address, _stop) = serve().await;
    let client = Client::new(&address, Some("s3cret")).unwrap();
    let error = client.anomaly("nosuch").await.unwrap_err();
    assert!(matches!(&error, ClientError::Problem(problem) if problem.status == 404));
    assert!(
        error
            .to_string()
            .starts_with("no anomaly has this id (in `id`); "),
        "{error}"
    );

    // An id that a person typed stays an id.
    let error = client.anomaly("../status").await.unwrap_err();
    assert!(matches!(&error, ClientError::Problem(problem) if problem.status == 404));

    let stranger = Client::new(&address, Some("wrong")).unwrap();
    let error = stranger.status().await.unwrap_err();
    assert!(matches!(error, ClientError::Unauthorized { .. }), "{error}");

    let nobody = Client::new("http://127.0.0.1:1", None).unwrap();
    let error = nobody.status().await.unwrap_err();
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error}");
}
