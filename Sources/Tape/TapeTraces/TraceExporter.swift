internal import HTTPClient
internal import Primitives
package import ServiceRuntime

/// Sends spans to a collector by OTLP over HTTP, on a thread of its own. Handing over never waits:
/// what has no room is dropped and counted.
package final class TraceExporter: Sendable {
    /// The most traces that wait to be sent.
    package static let tracesMax = 1_024
    /// The most traces of one request.
    static let tracesPerRequest = 256
    /// How often a request is tried.
    static let attemptsMax = 3
    private static let pause = Duration.seconds(1)
    /// The longest pause that a collector can ask for (`Retry-After`).
    private static let pauseMax = Duration.seconds(30)
    private static let turn = Duration.milliseconds(250)
    /// How many turns a request may take when the service ends.
    private static let turnsAtEnd = 2
    /// The statuses after which OTLP lets a client try again.
    private static let passing: Set<Int> = [429, 502, 503, 504]
    private static let contentType = HTTPHeader("content-type", "application/x-protobuf")

    private let url: HTTPURL
    private let headers: [HTTPHeader]
    private let resource: SpanMessage.Resource
    private let queue = Mailbox<[Span]>(capacity: TraceExporter.tracesMax)
    private let client: HTTPClient
    private let outcomes: Mailbox<Void>
    private let context: ServiceContext
    let sent: Counter
    let dropped: Drops

    /// Why spans were not sent, with a counter each.
    struct Drops: Sendable {
        let full: Counter
        let limit: Counter
        let refused: Counter

        init(_ metrics: MetricRegistry) {
            func counter(_ reason: String) -> Counter {
                metrics.counter(
                    "mds_trace_spans_dropped_total",
                    "a span that was not sent to the collector; limit: a packet that was found "
                        + "late, refused or slow, when there were too many of them",
                    "full or refused rises: the collector is away, slow or refuses; the log has "
                        + "the reason",
                    by: "reason: full, limit, refused", labels: [("reason", reason)])
            }
            full = counter("full")
            limit = counter("limit")
            refused = counter("refused")
        }
    }

    package init(_ settings: TraceSettings, _ context: ServiceContext) throws {
        guard let url = HTTPURL(settings.url) else {
            throw SettingsError("the address of the collector is no address of HTTP")
        }
        self.url = url
        self.context = context
        headers = settings.headers + [Self.contentType]
        resource = settings.resource()
        var configuration = HTTPConfiguration()
        configuration.requestTimeout = settings.timeout
        configuration.requestsPerServerMax = 1
        configuration.caPath = settings.caPath
        let outcomes = Mailbox<Void>(capacity: 1)
        self.outcomes = outcomes
        do {
            client = try HTTPClient(configuration) { _ = outcomes.send(()) }
        } catch {
            throw SettingsError("OTEL_EXPORTER_OTLP_CERTIFICATE: \(error)")
        }
        let metrics = context.telemetry.metrics
        sent = metrics.counter(
            "mds_trace_spans_sent_total", "a span that the collector of OpenTelemetry took")
        dropped = Drops(metrics)
        metrics.watch(queue, as: "traces")
    }

    /// Hands the spans of one packet over. Returns whether there was room.
    @discardableResult
    func send(_ spans: [Span]) -> Bool {
        let isTaken = queue.send(spans)
        if !isTaken { dropped.full.add(UInt64(spans.count)) }
        return isTaken
    }

    /// Counts a packet that was left out, because too many were found.
    func leaveOut() { dropped.limit.add() }

    /// Takes no more spans.
    func close() { queue.close() }

    /// Sends what is handed over, until it is closed, and empty or refused. Calls `turn` between.
    func run(_ turn: () -> Void = {}) {
        var traces: [[Span]] = []
        var isWell = true
        while true {
            turn()
            traces.removeAll(keepingCapacity: true)
            if queue.receive(into: &traces, max: Self.tracesPerRequest, timeout: Self.turn) == 0 {
                if queue.isClosed { return }
                continue
            }
            let spans = traces.flatMap { $0 }
            let (refused, problem) = outcome(of: spans)
            sent.add(UInt64(spans.count) - refused)
            dropped.refused.add(refused)
            if let problem, isWell { context.telemetry.emit(.tracesRefused(reason: problem)) }
            isWell = problem == nil
            // A service that ends waits for no collector.
            if !isWell, queue.isClosed { return dropRest() }
        }
    }

    /// Counts what was handed over before the end, and is not sent.
    private func dropRest() {
        var rest: [[Span]] = []
        while queue.receive(into: &rest, max: Self.tracesMax, timeout: .zero) > 0 {}
        dropped.refused.add(rest.reduce(0) { $0 + UInt64($1.count) })
    }

    /// Posts spans. Returns how many the collector has not taken, and why; `nil`: it took all.
    private func outcome(of spans: [Span]) -> (refused: UInt64, problem: String?) {
        let count = UInt64(spans.count)
        switch post(SpanMessage.bytes(spans, of: resource)) {
        case .success(let answer):
            let refused = min(CollectorAnswer.refused(answer.body), count)
            return (refused, refused == 0 ? nil : "it took \(count - refused) of \(count) spans")
        case .failure(let failure): return (count, failure.problem)
        }
    }

    /// Why the collector has not answered well.
    private struct Failure: Error {
        let problem: String
    }

    /// Returns the collector's good answer, or why there is none after several attempts.
    private func post(_ body: [UInt8]) -> Result<HTTPResponse, Failure> {
        var problem = ""
        for attempt in 1...Self.attemptsMax {
            var pause = Self.pause
            switch ask(body) {
            case .success(let answer) where (200..<300).contains(answer.status):
                return .success(answer)
            case .success(let answer):
                problem = "status \(answer.status)"
                guard Self.passing.contains(answer.status) else {
                    return .failure(Failure(problem: problem))
                }
                pause = min(answer.retryAfter ?? pause, Self.pauseMax)
            case .failure(let error): problem = "\(error)"
            }
            if attempt == Self.attemptsMax || !waits(pause) { break }
        }
        return .failure(Failure(problem: problem))
    }

    /// Returns whether it has waited so long; false: the service ends.
    private func waits(_ pause: Duration) -> Bool {
        var left = pause
        while left > .zero {
            let turn = min(left, Self.turn)
            if queue.isClosed || context.shutdown.wait(timeout: turn) { return false }
            left -= turn
        }
        return !queue.isClosed
    }

    private func ask(_ body: [UInt8]) -> Result<HTTPResponse, HTTPError> {
        do throws(HTTPError) {
            let id = try client.request(HTTPRequest(url, headers: headers, body: body))
            var woken: [Void] = []
            var turnsAtEnd = 0
            // The client ends each request in time.
            while turnsAtEnd <= Self.turnsAtEnd {
                for outcome in client.take() where outcome.id == id { return outcome.result }
                _ = outcomes.receive(into: &woken, max: 1, timeout: Self.turn)
                woken.removeAll(keepingCapacity: true)
                if queue.isClosed { turnsAtEnd += 1 }
            }
            client.cancel(id)
            throw .timedOut(peer: url.description)
        } catch {
            return .failure(error)
        }
    }
}

extension ServiceEvent {
    /// The collector did not take spans, after it had taken the last ones.
    static func tracesRefused(reason: String) -> Self {
        Self(
            .warning, "traces.refused",
            "the collector of OpenTelemetry does not take spans, which are dropped: look at it, "
                + "and at its address (OTEL_EXPORTER_OTLP_*)",
            ("reason", .text(reason)))
    }
}
