internal import EngineKit
internal import HTTPClient
internal import MarketModel
internal import PolledEngine
internal import Primitives
internal import ProviderKit
internal import ServiceRuntime
internal import StreamKit

extension PolledSetup: ProviderService {
    typealias Wait = RequestWait<PolledEngine>
    typealias Requests = HTTPRequests<PolledRequest, PolledOutcome>

    /// The service is asked again for what the gateway cannot take now.
    static let isUrgent = false

    private var table: PolledTable { engine.table }
    var name: String { table.rawValue }
    var beat: String { "poll.\(name)" }
    var labels: [(String, String)] { [("provider", name)] }

    func makeEngine() -> PolledEngine { PolledEngine(engine) }

    func makeWait() throws -> sending Wait { RequestWait() }

    func makeRequests(
        _ wake: @escaping @Sendable () -> Void
    ) throws -> sending Requests? {
        try Requests(
            http, wake, unwritten: .failed("the address of the request is too long")
        ) { [self] request in
            self.request(request)
        } read: { result in
            switch result {
            case .success(let answer):
                return .answer(
                    status: answer.status, body: answer.body,
                    retryAfter: answer.retryAfter?.clampedNanoseconds)
            case .failure(let error): return .failed("\(error)")
            }
        }
    }

    func begun(
        _ instruments: [BegunInstrument], _ order: ProviderOrder?
    ) -> [PolledEngine.Begun] {
        let last = Dictionary(grouping: order?.lastValues ?? [], by: \.instrument)
        return instruments.map {
            PolledEngine.Begun(
                number: $0.number, instrument: $0.instrument, reached: $0.reached,
                last: last[$0.number] ?? [])
        }
    }

    func step(_ wish: PolledRequest) -> ProviderStep<Never, PolledRequest> {
        .ask(wish.number, wish)
    }

    func report(_ note: PolledNote, to report: ProviderReport<Self>) {
        report.showSoon()
        switch note {
        case .good:
            report.telemetry.emit(
                ServiceEvent(
                    .info, "polled.good", "\(table.title) answers", ("provider", .text(name))))
        case .failed(let failures, let reason):
            report.trouble("no values, asked again by itself: \(reason)", failures: failures)
        case .refused(let instrument, let reason):
            report.trouble("\(report.symbol(instrument)): \(reason)")
        case .refusedKey(let reason):
            report.trouble(
                "the key is not taken, asked again by itself: \(reason): check the key's file")
        case .misfit(let instrument, let text):
            report.trouble("\(report.symbol(instrument)): \(text)")
        }
    }

    func trouble(_ message: String, failures: Int) -> ServiceEvent {
        .providerTrouble(
            "polled.trouble", message, failures: failures, ("provider", .text(name)))
    }

    func write(_ status: PolledStatus, into json: inout JSONWriter) {
        json.member("polled_to", status.polledTo.shown)
        json.member("values", Int(clamping: status.counters.values))
        json.member("revisions", Int(clamping: status.counters.revisions))
    }

    func write(_ feed: ShownFeed, into json: inout JSONWriter) {
        feed.write(as: "series", into: &json)
        json.member("polled_to", feed.polledTo.shown)
    }
}

extension Timestamp {
    /// The time for a page; empty: there is none.
    fileprivate var shown: String { isDefined ? description : "" }
}
