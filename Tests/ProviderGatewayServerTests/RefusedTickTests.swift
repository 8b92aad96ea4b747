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

@Suite("Ticks that are refused for their time")
struct RefusedTickTests {
    @Test("each tick is on the tape or in a gap, and the gap is where the tick came")
    func gap() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "refused")
        let log = ScriptedProvider.Log()
        let running = try TestGateway.scripted(tape, ["one": log], [.named("SPY")]).start()
        let channel = try log.begun().channel
        let began = SystemClock().now()
        let start = SubscriptionRecord(
            header: TickHeader(symbol: 0, providerTime: .undefined, receiveTime: began),
            action: .start, kind: .trade, mode: .live, provider: "one")
        channel.deliver(
            [
                .tape(.subscription(start)), .trade(at: began, id: 1),
                .trade(at: began.advanced(byNanoseconds: 3_600_000_000_000), id: 2),
                .trade(at: began, id: 3),
            ], floor: began)
        func records() throws -> [RecordOnTape] {
            try tape.records(of: try #require(SourceName("feed")))
        }
        #expect(try eventually { try records().contains { $0.gap != nil } })
        #expect(try running.stop() == .success)
        #expect(try records().filter { $0.trade != nil }.map(\.id) == [1, 3])
        let gap = try #require(try records().compactMap(\.gap).first)
        #expect(gap.reason == GapReason.dropped.rawValue && gap.kind == DataKind.trade.rawValue)
        #expect(gap.from >= began && gap.to > gap.from && gap.to <= SystemClock().now())
        // Providers stamp with the gateway's time.
        let moment = channel.moment()
        #expect(abs(moment.wall.nanoseconds(since: SystemClock().now())) < 60_000_000_000)
    }
}
