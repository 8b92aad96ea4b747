import HTTPClient
import Primitives
import ServiceRuntime

/// Asks a Prometheus for its alerts. One thread calls it.
final class PrometheusAlerts {
    static let timeout = Duration.seconds(2)
    /// A longer answer is an error: some thousand alerts.
    static let bodyBytesMax = 2 << 20

    private let client: HTTPClient
    private let outcomes = Mailbox<Void>(capacity: 4)
    private let url: HTTPURL
    private let clock: SystemClock

    init(_ url: HTTPURL, _ clock: SystemClock) throws(HTTPError) {
        self.url = url
        self.clock = clock
        var configuration = HTTPConfiguration()
        configuration.connectTimeout = Self.timeout
        configuration.requestTimeout = Self.timeout
        configuration.bodyBytesMax = Self.bodyBytesMax
        configuration.requestsMax = 1
        configuration.connectionsKeptMax = 1
        client = try HTTPClient(configuration) { [outcomes] in _ = outcomes.send(()) }
    }

    /// Returns the address of the alerts of a Prometheus at this one. `nil` if it is no address, or
    /// has a query.
    static func url(_ base: String) -> HTTPURL? {
        let trimmed = base.hasSuffix("/") ? String(base.dropLast()) : base
        return HTTPURL(trimmed + "/api/v1/alerts", query: [])
    }

    func ask() throws -> AlertList {
        let id = try client.request(HTTPRequest(url))
        // The client's own limit comes first; this one is for a client that says nothing.
        let end = clock.deadline(after: Self.timeout * 2)
        while clock.remaining(until: end) > .zero {
            if let outcome = client.take().first(where: { $0.id == id }) {
                return try Self.read(try outcome.result.get())
            }
            var calls: [Void] = []
            _ = outcomes.receive(
                into: &calls, max: outcomes.capacity, timeout: clock.remaining(until: end))
        }
        client.cancel(id)
        throw AlertList.NoAlerts(reason: "no answer")
    }

    private static func read(_ answer: HTTPResponse) throws -> AlertList {
        guard answer.status == 200 else {
            throw AlertList.NoAlerts(reason: "its answer has status \(answer.status)")
        }
        return try AlertList(try JSONValue.parse(answer.body))
    }
}
