internal import HTTPClient
internal import Primitives
package import ServiceRuntime

/// Which traces are sent where. The names of the keys are those of OpenTelemetry, where it has one.
package struct TraceSettings: Sendable {
    /// Where requests go.
    package var url: String
    /// A file of certificates (PEM) that are trusted beside the system's; empty: none.
    var caPath = ""
    /// Headers of a request, whose values may be secrets.
    var headers: [HTTPHeader] = []
    /// How long a request may take.
    var timeout = Duration.seconds(10)
    /// What spans call the service.
    package var service: String
    /// What spans also say of it.
    var attributes: [(key: String, value: String)] = []
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
        let whole = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
        let base = "OTEL_EXPORTER_OTLP_ENDPOINT"
        let name: String
        if let address = configuration.optionalText(whole) {
            name = whole
            url = address
        } else if let endpoint = configuration.optionalText(base) {
            name = base
            url = (endpoint.hasSuffix("/") ? String(endpoint.dropLast()) : endpoint) + "/v1/traces"
        } else {
            return nil
        }
        // An address may have a key in it, so none is shown.
        guard let address = HTTPURL(url), !url.contains("?") else {
            throw SettingsError("\(name) is no address of HTTP, or has a user or a query")
        }
        caPath = configuration.optionalText("OTEL_EXPORTER_OTLP_CERTIFICATE") ?? ""
        headers = try Self.pairs(
            configuration.secret("OTEL_EXPORTER_OTLP_HEADERS")?.revealed ?? "",
            of: "OTEL_EXPORTER_OTLP_HEADERS"
        ).map { HTTPHeader($0.key, $0.value, isSecret: true) }
        // Nor a header, whose name may be a key that was mistaken for one.
        do throws(HTTPError) { try HTTPRequest(address, headers: headers).check() } catch {
            throw SettingsError(
                "OTEL_EXPORTER_OTLP_HEADERS has a name or a value that cannot be sent")
        }
        timeout = .milliseconds(configuration.integer("OTEL_EXPORTER_OTLP_TIMEOUT"))
        attributes = try Self.pairs(
            configuration.optionalText("OTEL_RESOURCE_ATTRIBUTES") ?? "",
            of: "OTEL_RESOURCE_ATTRIBUTES")
        let named = attributes.last { $0.key == "service.name" }?.value
        service =
            configuration.optionalText("OTEL_SERVICE_NAME") ?? named ?? configuration.service
        share = configuration.real("OTEL_TRACES_SAMPLER_ARG")
        slowNanoseconds = configuration.duration("MDS_TRACE_SLOW").clampedNanoseconds
    }

    package static let rule = ConfigurationRule.of(
        reads: Set(ConfigurationKey.tracing.map(\.name))
    ) { _ = try TraceSettings($0) }

    /// The attributes of all spans. Of several with one key the one that was set counts.
    func resource() -> SpanMessage.Resource {
        let set = attributes.filter { $0.key != "service.name" }
        let own = [
            ("service.name", service), ("service.version", ProductVersion.text),
            ("host.name", HostName.own),
        ].filter { own in !set.contains { $0.key == own.0 } }
        return SpanMessage.Resource(
            (own + set.map { ($0.key, $0.value) }).map { Span.Attribute($0.0, .text($0.1)) },
            scope: "tapeline", version: ProductVersion.text)
    }

    /// Reads `KEY=VALUE,...` as OpenTelemetry has it: percent-encoded, spaces around them left out.
    private static func pairs(
        _ text: String, of name: String
    ) throws(SettingsError) -> [(key: String, value: String)] {
        var pairs: [(key: String, value: String)] = []
        for item in text.split(separator: ",") {
            let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let key = decoded(parts[0]), !key.isEmpty,
                let value = decoded(parts[1])
            else {
                throw SettingsError("\(name) must be KEY=VALUE,..., percent-encoded")
            }
            pairs.append((key, value))
        }
        return pairs
    }

    private static func decoded(_ text: Substring) -> String? {
        var trimmed = text.drop { $0 == " " }
        while trimmed.last == " " { trimmed.removeLast() }
        var bytes: [UInt8] = []
        var rest = trimmed.utf8
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(rest.prefix(2)) ?? "", radix: 16)
            else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
