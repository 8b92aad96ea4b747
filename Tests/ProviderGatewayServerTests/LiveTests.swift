import TapeTransport
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import ServiceTestSupport
import Synchronization
import TapeProtocol
import TestSupport
import Testing

@testable import ProviderGateway

@Suite("The gateway, live")
struct LiveTests {
    private final class Listener: Sendable {
        let subjects = Mutex<[String: Int]>([:])
    }

    @Test("what the tape acknowledged is told live, tick by tick")
    func live() throws {
        let tape = try TestTape(try NatsServer(), namespace: "live1")
        let listener = Listener()
        let subscription = try tape.client.connection.subscribe(
            "live1.live.>", pendingMessagesMax: 100_000
        ) { message in
            listener.subjects.withLock { $0[message.subject, default: 0] += 1 }
        }
        let gateway = try TestGateway(
            tape, ["SYNTHETIC_RATE": "500", "SYNTHETIC_SYMBOLS": "AAPL,BRK.B"])
        #expect(gateway.settings.isLive)
        let live = try LivePublisher(
            try TapeSettings(gateway.service.context.configuration),
            context: gateway.service.context)
        let (settings, report, membership) = (
            gateway.settings, gateway.report, gateway.group.membership
        )
        let client = try tape.connect(gateway.service)
        gateway.group.take()
        let running = try gateway.service.start { context in
            defer { client.close() }
            return try Gateway.run(
                settings, client: client, context: context, report: report,
                membership: membership, live: live)
        }
        #expect(
            eventually {
                listener.subjects.withLock { subjects in
                    ["trade.AAPL", "quote.AAPL", "trade.BRK%2EB", "quote.BRK%2EB"].allSatisfy {
                        subjects["live1.live.\($0).synthetic", default: 0] > 20
                    }
                }
            }, "\(listener.subjects.withLock { $0 })")
        #expect(try running.stop() == .success)
        live.close()
        subscription.unsubscribe()
    }
}
