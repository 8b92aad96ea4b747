import Foundation
import IBKRProvider
import MarketModel
import Primitives
import ServiceRuntime
import ServiceTestSupport
import TapeTransport
import TestSupport
import Testing

@testable import ProviderGateway
@testable import ProviderGatewayTests

@Suite("The broker's ticks on the tape")
struct BrokerTests {
    /// A run of all tests has no time for more: `BROKER_RESTARTS=20`.
    private static let restarts =
        ProcessInfo.processInfo.environment["BROKER_RESTARTS"].flatMap { Int($0) } ?? 2

    private func gateway(
        _ tape: TestTape, _ broker: BrokerSimulator, _ more: [String: String] = [:]
    ) throws -> TestGateway {
        let instruments = try broker.symbols.map { name in
            var contract = Instrument.Contract(.stock)
            contract.exchange = "SMART"
            contract.currency = "USD"
            return Instrument(
                symbol: try #require(Symbol(name)), contract: contract, feeds: .allTrades)
        }
        return try TestGateway(
            tape,
            [
                "GATEWAY_PROVIDER": "ibkr", "GATEWAY_SOURCE": "broker", "GATEWAY_LIVE": "false",
                "IBKR_PORT": "\(broker.port)", "IBKR_TICK_LINES": "100",
                "IBKR_CONNECT_TIMEOUT": "1s",
            ].merging(more) { $1 },
            providers: [.interactiveBrokers], instruments: instruments)
    }

    private func connection(_ gateway: TestGateway) throws -> JSONValue? {
        try gateway.status["providers"]?["ibkr"]
    }

    private func shown(_ gateway: TestGateway) -> String {
        var json = JSONWriter(capacity: 4_096)
        json.object { gateway.report.write(into: &$0) }
        return json.text
    }

    /// Returns whether every feed delivers and all gaps are filled.
    private func isWhole(_ gateway: TestGateway) throws -> Bool {
        guard let status = try connection(gateway), status["state"]?.string == "ready",
            status["open_outages"]?.int == 0, status["waiting_backfills"]?.int == 0,
            let instruments = status["instruments"]?.array, !instruments.isEmpty
        else { return false }
        return instruments.allSatisfy { instrument in
            instrument["feeds"]?.array?.allSatisfy { $0["state"]?.string == "live" } == true
        }
    }

    private func check(_ tape: TestTape, _ broker: BrokerSimulator) throws -> BrokerTapeAudit {
        let audit = try BrokerTapeAudit(tape, source: "broker")
        print(audit.summary)
        let first = try #require(audit.starts.values.max()).nanoseconds / 1_000_000_000 + 1
        let seconds = first..<max(first, audit.last.nanoseconds / 1_000_000_000)
        let truth = broker.trades(seconds)
        let problems = audit.problems(truth)
        #expect(problems.isEmpty, "\(problems.prefix(20).joined(separator: "\n"))")
        #expect(audit.strangers(truth, seconds).isEmpty)
        #expect(audit.live > 0 && audit.watermark.nanoseconds > Int64.min)
        return audit
    }

    @Test("TWS comes late and goes again: each trade is there once, or in a gap that stayed open")
    func restarts() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "brk1")
        let broker = try BrokerSimulator(["SPY", "QQQ"], rate: 20, seed: 7)
        let gateway = try gateway(tape, broker)
        let running = try gateway.start()
        // Failed attempts are not checked: in the broker's daily hour of resets none are counted.
        #expect(
            try eventually {
                let connection = try connection(gateway)
                return connection?["state"]?.string == "closed"
                    && connection?["reason"]?.string?.isEmpty == false
            })
        try broker.start()
        for restart in 0...Self.restarts {
            #expect(
                try eventually { try isWhole(gateway) },
                "after restart \(restart): \(shown(gateway))\n\(broker.log)")
            if restart == Self.restarts { break }
            broker.kill()
            #expect(try eventually { try connection(gateway)?["state"]?.string != "ready" })
            try broker.start()
        }
        let before = try BrokerTapeAudit(tape, source: "broker").last
        #expect(
            try eventually {
                try BrokerTapeAudit(tape, source: "broker").last.nanoseconds(since: before)
                    > 1_500_000_000
            })
        #expect(try running.stop() == .success)
        let audit = try check(tape, broker)
        #expect(audit.gaps.values.allSatisfy { $0.count >= Self.restarts })
        #expect(audit.backfilled > 0)
    }

    /// Commands for the simulator, the state that the gateway then reports before it recovers
    /// (empty: none), and the commands that end the fault.
    private static let faults: [(commands: [String], state: String, cure: [String])] = [
        (["byte-at-a-time on"], "", []),
        (["close"], "closed", ["byte-at-a-time off"]),
        (["lost"], "server-lost", ["restored lose"]),
        (["lost"], "server-lost", ["restored keep"]),
        (["half-frame"], "closed", []),
        (["garbage 64"], "closed", []),
    ]

    @Test("connections break in every way: each trade is there once, or in a gap that stayed open")
    func faults() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "brk2")
        let broker = try BrokerSimulator(["SPY", "QQQ"], rate: 20, seed: 8)
        try broker.start()
        let gateway = try gateway(tape, broker)
        let running = try gateway.start()
        #expect(try eventually { try isWhole(gateway) }, "\(shown(gateway))")
        for fault in Self.faults {
            for command in fault.commands { #expect(!broker.command(command).isEmpty) }
            if !fault.state.isEmpty {
                #expect(
                    try eventually { try connection(gateway)?["state"]?.string == fault.state },
                    "\(fault): \(shown(gateway))")
            }
            for command in fault.cure { #expect(!broker.command(command).isEmpty) }
            #expect(
                try eventually { try isWhole(gateway) },
                "after \(fault): \(shown(gateway))\n\(broker.log)")
        }
        #expect(try running.stop() == .success)
        _ = try check(tape, broker)
    }

    @Test("a gateway that is killed is followed by one that says what is missing, and fills it in")
    func kill() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "brk3")
        let broker = try BrokerSimulator(["SPY", "QQQ"], rate: 20, seed: 9)
        try broker.start()
        let first = try gateway(tape, broker)
        let client = try tape.connect(first.service)
        let running = try first.start(client)
        #expect(try eventually { try isWhole(first) }, "\(shown(first))")
        let before = try BrokerTapeAudit(tape, source: "broker").live
        #expect(try eventually { try BrokerTapeAudit(tape, source: "broker").live > before + 20 })
        client.close()
        #expect(try running.exitCode() == .unavailable)
        // History has whole seconds, so one of them has to pass without a gateway.
        let clock = SystemClock()
        let killed = clock.now()
        #expect(eventually { clock.now().nanoseconds(since: killed) > 2_500_000_000 })
        let second = try gateway(tape, broker)
        second.group.take(epoch: 2)
        let next = try second.standBy()
        #expect(try eventually { try isWhole(second) }, "\(shown(second))")
        #expect(try next.stop() == .success)
        let audit = try check(tape, broker)
        #expect(audit.gaps.values.allSatisfy { !$0.isEmpty } && audit.backfilled > 0)
    }

    @Test("the watchlist adds what the broker delivers, and says in its words what it refuses")
    func watchlist() throws {
        let tape = try TestTape(NatsServer.shared(), namespace: "brkw")
        let broker = try BrokerSimulator(["SPY", "QQQ"], rate: 20, seed: 3)
        try broker.start()
        let source = try #require(SourceName("broker"))
        let spy = try #require(Symbol("SPY"))
        var contract = Instrument.Contract(.stock)
        (contract.exchange, contract.currency) = ("SMART", "USD")
        let gateway = try TestGateway(
            tape,
            [
                "GATEWAY_PROVIDER": "ibkr", "GATEWAY_SOURCE": "broker", "GATEWAY_LIVE": "false",
                "IBKR_PORT": "\(broker.port)",
            ],
            providers: [.interactiveBrokers],
            instruments: [Instrument(symbol: spy, contract: contract, feeds: .level1)])
        let running = try gateway.start()
        let store = try WatchlistStore(tape.client, source)
        _ = try store.write(try InstrumentJoinTests.list("+QQQ +NOPE"), after: store.read())
        func told(_ symbol: String) throws -> WatchlistReport.Instrument? {
            try WatchlistStore.reports(tape.client).reports.first?.instruments
                .first { $0.symbol.text == symbol }
        }
        #expect(try eventually { try told("QQQ")?.state == .subscribed }, "\(shown(gateway))")
        #expect(try eventually { try told("NOPE")?.state == .refused }, "\(shown(gateway))")
        #expect(try told("NOPE")?.reason.contains("No security definition") == true)
        #expect(try told("SPY")?.state == .subscribed && told("QQQ")?.origin == .added)
        _ = try store.write(try InstrumentJoinTests.list("~QQQ"), after: store.read())
        #expect(try eventually { try told("QQQ") == nil })
        #expect(
            try eventually {
                try connection(gateway)?["instruments"]?.array?
                    .compactMap { $0["symbol"]?.string } == ["SPY"]
            })
        #expect(try running.stop() == .success)
        // Its end is on the tape, and no gap of it stays open.
        let audit = try BrokerTapeAudit(tape, source: "broker")
        #expect((audit.gaps["QQQ"] ?? []).allSatisfy { $0.to.isDefined })
    }
}
