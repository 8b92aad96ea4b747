import ServiceRuntime
import Testing

@testable import ServiceRuntime

@Suite struct AcceptHeaderTests {
    @Test(
        "who names OpenMetrics and does not like the older text better gets it",
        arguments: [
            "application/openmetrics-text", "APPLICATION/OpenMetrics-Text ; Version=\"1.0.0\"",
            // The headers of Prometheus 2 and 3.
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;"
                + "version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                + "encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;"
                + "escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
                + "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
                + "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            "text/plain;q=0.5, application/openmetrics-text;q=0.5",
            "text/*;q=0.4,application/openmetrics-text;q=0.5",
            "text/plain;q=0,application/openmetrics-text;q=0.1",
            "application/openmetrics-text;q=7",
        ])
    func openMetrics(accept: String) {
        #expect(AcceptHeader(accept).metricFormat == .openMetrics)
    }

    @Test(
        "everybody else gets the older text, nonsense included",
        arguments: [
            nil, "", "*/*", "text/plain", "text/plain;version=0.0.4", "application/json",
            "application/*", "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/openmetrics-text;q=0", "application/openmetrics-text;q=0.000",
            "application/openmetrics-text;version=0.0.1", "application/openmetrics-text;q=nan",
            "application/openmetrics-text;q=much", "application/openmetrics-text;version=2.0.0",
            "text/plain, application/openmetrics-text;q=0.9",
            "application/openmetrics-text;q=0.2,text/*;q=0.3", ";;;,,,===", "q=1", ", ;q",
            String(repeating: "a/b,", count: 5_000) + "application/openmetrics-text",
        ])
    func olderText(accept: String?) {
        #expect(AcceptHeader(accept).metricFormat == .prometheus)
    }
}
