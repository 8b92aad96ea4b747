import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

/// A source `feed` with one scripted provider: the records that the test has it send, and those
/// that are on the tape then. Times are whole seconds of one hour ago.
struct FeedScript {
    let tape: TestTape
    let log = ScriptedProvider.Log()
    let start = Timestamp(
        nanoseconds: (SystemClock().now().nanoseconds / 1_000_000_000 - 3_600) * 1_000_000_000)
    /// The resolution that stamps have.
    var resolution = TimeResolution.second.rawValue

    /// The time of a second of the test.
    func at(_ second: Int64) -> Timestamp { start.advanced(byNanoseconds: second * 1_000_000_000) }

    /// The second of the test of a time.
    func second(_ time: Timestamp) -> Int64 { time.nanoseconds(since: start) / 1_000_000_000 }

    // MARK: gateways

    struct Tenure {
        let gateway: TestGateway
        let running: RunningService
        let client: TapeClient
        let began: ScriptedProvider.Began

        /// Closes the connection, which to the gateway is a kill.
        func kill() throws {
            client.close()
            #expect(try running.exitCode() == .unavailable)
        }
    }

    /// Opens the source for these instruments. Returns when its provider has begun.
    func open(_ names: [String], feeds: Instrument.Feeds = .trades) throws -> Tenure {
        let known = log.starts.count
        let gateway = try TestGateway.scripted(
            tape, ["scripted": log], try names.map { try .named($0, feeds) })
        let client = try tape.connect(gateway.service)
        let running = try gateway.start(client)
        return Tenure(
            gateway: gateway, running: running, client: client, began: try log.begun(known + 1))
    }

    // MARK: the provider's records

    func header(
        _ symbol: UInt32, _ second: Int64, _ flags: TickFlags = [], id: UInt64 = 0
    ) -> TickHeader {
        TickHeader(
            symbol: symbol, flags: flags, resolution: resolution, providerTime: at(second),
            receiveTime: at(second), providerID: id)
    }

    func trade(
        _ symbol: UInt32, _ second: Int64, _ flags: TickFlags = [], id: UInt64 = 0
    ) -> ProviderRecord { .trade(header(symbol, second, flags, id: id)) }

    func subscription(
        _ symbol: UInt32, _ second: Int64, _ action: SubscriptionAction = .start,
        provider: String = "scripted"
    ) -> ProviderRecord {
        .tape(
            .subscription(
                SubscriptionRecord(
                    header: header(symbol, second), action: action, kind: .trade, mode: .live,
                    provider: provider)))
    }

    func gap(
        _ symbol: UInt32, _ from: Int64, _ to: Int64?, _ state: GapState = .open,
        _ kind: DataKind = .trade
    ) -> ProviderRecord {
        .tape(
            .gap(
                GapRecord(
                    header: header(symbol, from), from: at(from), to: to.map(at) ?? .undefined,
                    kind: kind, reason: .disconnected, state: state)))
    }

    func feed(_ state: FeedState.State, _ second: Int64) -> ProviderRecord {
        .feed(FeedState(instrument: 0, state: state, time: at(second)))
    }

    /// Has the provider send records, of which none is older than the floor.
    func send(_ records: [ProviderRecord], _ tenure: Tenure, floor second: Int64) {
        tenure.began.channel.deliver(records, floor: at(second))
    }

    // MARK: the tape's records

    func records() throws -> [RecordOnTape] {
        try tape.records(of: try #require(SourceName("feed")))
    }

    /// The ids of the trades on the tape, each with its symbol.
    func trades() throws -> [String] {
        try records().filter { $0.trade != nil }.map { "\($0.symbol) \($0.id)" }
    }

    /// What the feed has on the tape.
    struct FeedOnTape {
        var ticks = 0
        /// Gaps such as `AAPL filled 10-14`, in order; a gap that lasts has no end.
        var gaps: [String] = []
        /// Their details.
        var details: [String] = []
        /// The symbols whose subscriptions ended.
        var stops: [String] = []
    }

    func feedOnTape() throws -> FeedOnTape {
        var found = FeedOnTape()
        for record in try records() {
            if record.trade != nil { found.ticks += 1 }
            if record.subscription?.action == SubscriptionAction.stop.rawValue {
                found.stops.append(record.symbol)
            }
            guard let gap = record.gap else { continue }
            let state = GapState(rawValue: gap.state).map { "\($0)" } ?? "?"
            found.gaps.append("\(record.symbol) \(state) \(shown(gap.from, gap.to))")
            found.details.append(gap.detail)
        }
        return found
    }

    private func shown(_ from: Timestamp, _ to: Timestamp) -> String {
        "\(second(from))-\(to.isDefined ? "\(second(to))" : "")"
    }

    /// Waits until so many ticks and gaps are on the tape.
    func hasRecords(_ count: Int) -> Bool {
        eventually { (try? feedOnTape()).map { $0.ticks + $0.gaps.count >= count } ?? false }
    }

    /// Returns gaps such as `0 10-20`, in order; a gap that lasts has no end.
    func shown(_ gaps: [OpenGap]) -> [String] {
        gaps.map { "\($0.instrument) \(shown($0.from, $0.to))" }
    }
}

extension TestGateway {
    /// A gateway of the source `feed` whose providers are scripted.
    static func scripted(
        _ tape: TestTape, _ logs: KeyValuePairs<String, ScriptedProvider.Log>,
        _ instruments: [Instrument]? = nil, _ environment: [String: String] = [:]
    ) throws -> TestGateway {
        let own = [
            "GATEWAY_PROVIDER": logs.map(\.key).joined(separator: ","), "GATEWAY_SOURCE": "feed",
        ]
        return try TestGateway(
            tape, own.merging(environment) { $1 },
            providers: logs.map { ScriptedProvider.kind($0.key, $0.value) },
            instruments: instruments)
    }
}

extension ScriptedProvider.Log {
    /// Waits until so many providers have begun. Returns the last one.
    func begun(_ count: Int = 1) throws -> ScriptedProvider.Began {
        try #require(eventually { starts.count == count })
        return try #require(starts.last)
    }
}

extension ProviderChannel {
    /// Sends records for which there has to be room.
    func deliver(
        _ records: [ProviderRecord], floor: Timestamp,
        at place: SourceLocation = #_sourceLocation
    ) {
        var batch = records
        guard case .sent = send(&batch, floor: floor) else {
            Issue.record("the channel takes nothing", sourceLocation: place)
            return
        }
    }
}

extension ProviderRecord {
    /// A trade of one share.
    static func trade(_ header: TickHeader, price: Int64 = 1_000_000_000) -> ProviderRecord {
        let (price, size) = (Price(raw: price), Quantity(raw: 100_000_000))
        return .tape(.trade(Trade(header: header, price: price, size: size)))
    }

    /// A trade of the first instrument that happened and came at this time.
    static func trade(
        at time: Timestamp, id: UInt64 = 0, price: Int64 = 1_000_000_000
    ) -> ProviderRecord {
        .trade(
            TickHeader(symbol: 0, providerTime: time, receiveTime: time, providerID: id),
            price: price)
    }
}
