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

@Suite("Ticks that are refused for their time")
struct RefusedTickTests {
    private func trade(_ time: Timestamp, id: UInt64) -> ProviderRecord {
        .tape(
            .trade(
                Trade(
                    header: TickHeader(
                        symbol: 0, providerTime: time, receiveTime: time, providerID: id),
                    price: Price(raw: 1_000_000_000), size: Quantity(raw: 100_000_000))))
    }

    private func found(
        _ tape: TestTape, _ symbol: Symbol
    ) throws -> (trades: [UInt64], gaps: [GapRecord]) {
        var found: (trades: [UInt64], gaps: [GapRecord]) = ([], [])
        for packet in try tape.tickPackets(tape.names.partition(of: symbol)) {
            packet.payload.withRawSpan { bytes in
                var cursor = RecordCursor()
                while let record = cursor.next(in: bytes) {
                    switch record {
                    case .trade(let trade): found.trades.append(trade.header.providerID)
                    case .other(let message):
                        if let gap = message.gapRecord(in: bytes) { found.gaps.append(gap) }
                    default: continue
                    }
                }
            }
        }
        return found
    }

    @Test("each tick is on the tape or in a gap, and the gap is where the tick came")
    func gap() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "refused")
        let symbol = try #require(Symbol("SPY"))
        let spy = Instrument(
            symbol: symbol, contract: Instrument.Contract(.stock), feeds: .trades)
        let log = ScriptedProvider.Log()
        let running = try TestGateway(
            tape, ["GATEWAY_PROVIDER": "one", "GATEWAY_SOURCE": "feed"],
            providers: [ScriptedProvider.kind("one", log)], instruments: [spy]
        ).start()
        #expect(eventually { log.starts.count == 1 })
        let channel = try #require(log.starts.first?.channel)
        let began = SystemClock().now()
        let header = TickHeader(symbol: 0, providerTime: .undefined, receiveTime: began)
        var batch: [ProviderRecord] = [
            .tape(
                .subscription(
                    SubscriptionRecord(
                        header: header, action: .start, kind: .trade, mode: .live, provider: "one"))
            ),
            trade(began, id: 1),
            trade(began.advanced(byNanoseconds: 3_600_000_000_000), id: 2), trade(began, id: 3),
        ]
        guard case .sent = channel.send(&batch, floor: began) else {
            Issue.record("the channel takes nothing")
            return
        }
        #expect(try eventually { try !found(tape, symbol).gaps.isEmpty })
        #expect(try running.stop() == .success)
        let onTape = try found(tape, symbol)
        #expect(onTape.trades == [1, 3])
        let gap = try #require(onTape.gaps.first)
        #expect(gap.reason == GapReason.dropped.rawValue && gap.kind == DataKind.trade.rawValue)
        #expect(gap.from >= began && gap.to > gap.from && gap.to <= SystemClock().now())
        // Providers stamp with the gateway's time.
        let moment = channel.moment()
        #expect(abs(moment.wall.nanoseconds(since: SystemClock().now())) < 60_000_000_000)
    }
}
