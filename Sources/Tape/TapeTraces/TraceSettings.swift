internal import HTTPClient
internal import Primitives
package import ServiceRuntime

/// Which traces are sent where. The names of the keys are those of OpenTelemetry, where it has one.
package struct TraceSettings: Sendable {
    /// Where requests go: the endpoint with `/v1/traces`.
    package var url: String
    /// What spans call the service.
    package var service: String
    /// The share of packets whose spans are sent whatever happens to them.
    package var share = 0.001
    /// A packet that took longer is sent.
    package var slowNanoseconds: Int64 = 1_000_000_000

    package init(url: String, service: String) {
        self.url = url
        self.service = service
    }

    /// Returns `nil` where no collector is named.
    package init?(_ configuration: Configuration) throws(SettingsError) {
        guard let endpoint = configuration.optionalText("OTEL_EXPORTER_OTLP_ENDPOINT"),
            !endpoint.isEmpty
        else { return nil }
        url = (endpoint.hasSuffix("/") ? String(endpoint.dropLast()) : endpoint) + "/v1/traces"
        guard HTTPURL(url) != nil else {
            throw SettingsError("OTEL_EXPORTER_OTLP_ENDPOINT: \(endpoint) is no address of HTTP")
        }
        service = configuration.optionalText("OTEL_SERVICE_NAME") ?? configuration.service
        share = configuration.real("OTEL_TRACES_SAMPLER_ARG")
        slowNanoseconds = configuration.duration("MDS_TRACE_SLOW").clampedNanoseconds
    }

    package static let rule = ConfigurationRule.of(reads: ["OTEL_EXPORTER_OTLP_ENDPOINT"]) {
        _ = try TraceSettings($0)
    }
}
