import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TapeCodec
import TapeProtocol
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

/// A source `feed` with one scripted provider: the records that the test has it send, and the gaps
/// that are on the tape then. Times are whole seconds of one hour ago.
struct GapScript {
    let tape: TestTape
    let log = ScriptedProvider.Log()
    let start = Timestamp(
        nanoseconds: (SystemClock().now().nanoseconds / 1_000_000_000 - 3_600) * 1_000_000_000)

    func at(_ second: Int64) -> Timestamp { start.advanced(byNanoseconds: second * 1_000_000_000) }

    func second(_ time: Timestamp) -> Int64 { time.nanoseconds(since: start) / 1_000_000_000 }

    // MARK: gateways

    func instruments(_ names: [String], feeds: Instrument.Feeds = .trades) throws -> [Instrument] {
        try names.map {
            Instrument(
                symbol: try #require(Symbol($0)), contract: Instrument.Contract(.stock),
                feeds: feeds)
        }
    }

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
        let gateway = try TestGateway(
            tape, ["GATEWAY_PROVIDER": "scripted", "GATEWAY_SOURCE": "feed"],
            providers: [ScriptedProvider.kind("scripted", log)],
            instruments: try instruments(names, feeds: feeds))
        let client = try tape.connect(gateway.service)
        let running = try gateway.start(client)
        #expect(eventually { log.starts.count > known }, "\(running.log)")
        return Tenure(
            gateway: gateway, running: running, client: client,
            began: try #require(log.starts.last))
    }

    // MARK: the provider's records

    func header(_ symbol: UInt32, _ second: Int64, _ flags: TickFlags = []) -> TickHeader {
        TickHeader(
            symbol: symbol, flags: flags, resolution: TimeResolution.second.rawValue,
            providerTime: at(second), receiveTime: at(second))
    }

    func trade(_ symbol: UInt32, _ second: Int64, _ flags: TickFlags = []) -> ProviderRecord {
        .tape(
            .trade(
                Trade(
                    header: header(symbol, second, flags), price: Price(raw: 1_000_000_000),
                    size: Quantity(raw: 100_000_000))))
    }

    func subscription(
        _ symbol: UInt32, _ second: Int64, _ action: SubscriptionAction = .start
    ) -> ProviderRecord {
        .tape(
            .subscription(
                SubscriptionRecord(
                    header: header(symbol, second), action: action, kind: .trade, mode: .live,
                    provider: "scripted")))
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

    func send(_ records: [ProviderRecord], _ tenure: Tenure, floor second: Int64) {
        var batch = records
        guard case .sent = tenure.began.channel.send(&batch, floor: at(second)) else {
            Issue.record("the channel takes nothing")
            return
        }
    }

    // MARK: the tape's records

    struct Found: CustomStringConvertible {
        var ticks = 0
        /// Gaps such as `AAPL filled 10-14`, in order; a gap that lasts has no end.
        var gaps: [String] = []
        var details: [String] = []
        var stops: [String] = []

        var description: String { "\(ticks) ticks, \(gaps), \(stops)" }
    }

    func found() throws -> Found {
        var found = Found()
        let source = try #require(SourceName("feed"))
        for number in 0..<tape.names.partitions {
            let partition = Partition(number)
            for packet in try tape.tickPackets(partition)
            where packet.subject == tape.names.ticks(partition, source) {
                packet.payload.withRawSpan { read($0, into: &found) }
            }
        }
        return found
    }

    private func read(_ packet: borrowing RawSpan, into found: inout Found) {
        var names: [UInt32: String] = [:]
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade: found.ticks += 1
            case .other(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    names[index] = definition.symbol.text
                } else if let gap = message.gapRecord(in: packet) {
                    let state = GapState(rawValue: gap.state).map { "\($0)" } ?? "?"
                    let end = gap.to.isDefined ? "\(second(gap.to))" : ""
                    found.gaps.append(
                        "\(names[gap.header.symbol] ?? "?") \(state) \(second(gap.from))-\(end)")
                    found.details.append(gap.detail)
                } else if let record = message.subscriptionRecord(in: packet),
                    record.action == SubscriptionAction.stop.rawValue
                {
                    found.stops.append(names[record.header.symbol] ?? "?")
                }
            case .quote, .bar: continue
            case .malformed: Issue.record("malformed")
            }
        }
    }

    func count(_ records: Int) -> Bool {
        eventually {
            (try? found()).map { $0.ticks + $0.gaps.count >= records } ?? false
        }
    }

    /// Returns gaps such as `0 10-20`, in order; a gap that lasts has no end.
    func shown(_ gaps: [OpenGap]) -> [String] {
        gaps.map { gap in
            "\(gap.instrument) \(second(gap.from))-\(gap.to.isDefined ? "\(second(gap.to))" : "")"
        }
    }
}
